//! The `ServiceGenerator`: for each routine a request struct and a reply struct, for each interface a `Request` enum.

use prost_build::{Service, ServiceGenerator};

use super::model::{Field, Interface, Kind, Routine};

/// Writes the stubs of the interfaces.
pub struct Stubs(pub Vec<Interface>);

impl ServiceGenerator for Stubs {
    fn generate(&mut self, service: Service, buf: &mut String) {
        let found = self.0.iter().find(|i| i.service == service.proto_name);
        let interface = found.expect("prost-build and the pool read the same files");
        buf.push_str("use crate::{args, msg};\n");
        interface.routines.iter().for_each(|r| buf.push_str(&routine(r)));
        buf.push_str(&requests(interface));
    }
}

/// The function that names the routine of any interface.
pub fn names_of_all(interfaces: &[Interface]) -> String {
    let mut chain = String::new();
    interfaces.iter().for_each(|i| chain.push_str(&format!("        .or_else(|| find({}::ROUTINES))\n", i.module)));
    format!(
        "
/// Mach's name of the routine with this request id, whatever its interface; for people and logs.
pub fn name_of(id: i32) -> Option<&'static str> {{
    let find = |table: &[(i32, &'static str)]| table.iter().find(|(i, _)| *i == id).map(|(_, name)| *name);
    None
{chain}}}
"
    )
}

fn routine(r: &Routine) -> String {
    let (name, id) = (&r.name, r.id);
    let kind = if r.results.is_some() { "" } else { " A simpleroutine." };
    let mut out = doc(&r.doc);
    out.push_str(&format!("///\n/// `{name}`, id {id}.{kind}\n#[doc(alias = \"{name}\")]\n"));
    out.push_str(&structure(&r.rust, &r.arguments));
    let ty = applied(&r.rust, &r.arguments);
    out.push_str(&format!(
        "impl<R> msg::SimpleRoutine<R> for {ty} {{
            const ID: i32 = {id};
            const NAME: &'static str = \"{name}\";
            {}
        }}\n",
        conversions(&r.rust, &r.arguments)
    ));
    let Some(results) = &r.results else { return out };
    if results.is_empty() {
        out.push_str(&format!("impl<R> msg::Routine<R> for {ty} {{ type Reply = (); }}\n"));
        return out;
    }
    let reply = r.reply();
    let reply_ty = applied(&reply, results);
    out.push_str(&format!("impl<R> msg::Routine<R> for {ty} {{ type Reply = {reply_ty}; }}\n"));
    out.push_str(&format!("/// The results of [`{}`].\n", r.rust));
    out.push_str(&structure(&reply, results));
    let body = conversions(&reply, results);
    out.push_str(&format!("impl<R> msg::Reply<R> for {reply_ty} {{ {body} }}\n"));
    out
}

fn structure(name: &str, fields: &[Field]) -> String {
    let derive = "#[derive(Clone, PartialEq, Eq, Debug)]\n";
    if fields.is_empty() {
        return format!("{derive}pub struct {name};\n");
    }
    let member = |f: &Field| {
        let how = match &f.kind {
            Kind::Port(d) | Kind::Ports(d) => vec![format!("Goes in as `{d}` unless the sender says otherwise.")],
            _ => Vec::new(),
        };
        format!("{}{}pub {}: {},\n", doc(&f.doc), doc(&how), f.name, rust_type(&f.kind))
    };
    let members: String = fields.iter().map(member).collect();
    format!("{derive}pub struct {} {{\n{members}}}\n", applied(name, fields))
}

/// `into_body` and `from_body`. What can fail beyond the type of an item (text, structures) is parsed by reference
/// before the first item is taken out, so that a refusal gives back the body as it came.
fn conversions(name: &str, fields: &[Field]) -> String {
    if fields.is_empty() {
        return format!(
            "fn into_body(self) -> Vec<msg::Item<R>> {{ Vec::new() }}
            fn from_body(body: Vec<msg::Item<R>>) -> Result<Self, msg::BadBody<R>> {{
                <() as msg::Reply<R>>::from_body(body).map(|()| {name})
            }}"
        );
    }
    let names: Vec<&str> = fields.iter().map(|f| f.name.as_str()).collect();
    let items: Vec<String> = fields.iter().map(into_item).collect();
    let parsed: Vec<(usize, &Field, &str)> =
        fields.iter().enumerate().filter_map(|(i, f)| Some((i, f, parser(&f.kind)?))).collect();
    let some: Vec<String> = parsed.iter().map(|(_, f, _)| format!("Some({})", f.name)).collect();
    let call: Vec<String> = parsed.iter().map(|(i, _, p)| format!("args::{p}(&items[{i}])")).collect();
    let parse = match parsed.len() {
        0 => String::new(),
        1 => format!("let {} = {} else {{ return Err(args::misfit(items)); }};", some[0], call[0]),
        _ => format!("let ({}) = ({}) else {{ return Err(args::misfit(items)); }};", some.join(", "), call.join(", ")),
    };
    let build = format!("Ok({name} {{ {} }})", fields.iter().map(from_item).collect::<Vec<_>>().join(", "));
    let finish = if parsed.len() == fields.len() {
        build
    } else {
        let patterns: Vec<String> = fields.iter().map(pattern).collect();
        format!("match items {{ [{}] => {build}, items => Err(args::misfit(items)), }}", patterns.join(", "))
    };
    format!(
        "fn into_body(self) -> Vec<msg::Item<R>> {{
            let {name} {{ {} }} = self;
            vec![{}]
        }}
        fn from_body(body: Vec<msg::Item<R>>) -> Result<Self, msg::BadBody<R>> {{
            let items: [msg::Item<R>; {}] = args::exactly(body)?;
            {parse}
            {finish}
        }}",
        names.join(", "),
        items.join(", "),
        fields.len()
    )
}

fn requests(interface: &Interface) -> String {
    let generic = if interface.routines.iter().any(|r| r.arguments.iter().any(Field::is_right)) { "<R>" } else { "" };
    let on_id = if generic.is_empty() { "" } else { "<R>" };
    let on_decode = if generic.is_empty() { "<R>" } else { "" };
    let mut out = String::from("/// `msgh_id` of each request.\npub mod id {\n");
    let each = |f: &dyn Fn(&Routine) -> String| interface.routines.iter().map(f).collect::<String>();
    out.push_str(&each(&|r| {
        let name = super::model::snake(&r.rust).to_ascii_uppercase();
        format!("    /// `{}`.\n    pub const {name}: i32 = {};\n", r.name, r.id)
    }));
    out.push_str("}\n/// `msgh_id` of every request of the interface.\n");
    out.push_str(&format!("pub const IDS: &[i32] = &[{}];\n", each(&|r| format!("{},", r.id))));
    out.push_str("/// Every routine of the interface: its id and Mach's name.\n");
    let pairs = each(&|r| format!("({}, \"{}\"),", r.id, r.name));
    out.push_str(&format!("pub const ROUTINES: &[(i32, &str)] = &[{pairs}];\n"));
    out.push_str(
        "/// Any request of the interface: what a server matches on.\n#[derive(Clone, PartialEq, Eq, Debug)]\n",
    );
    let variants = each(&|r| format!("{}{}({}),\n", doc(&r.doc), r.rust, applied(&r.rust, &r.arguments)));
    out.push_str(&format!("pub enum Request{generic} {{\n{variants}}}\n"));
    let decode = each(&|r| {
        let trait_ = format!("<{} as msg::SimpleRoutine<R>>", applied(&r.rust, &r.arguments));
        format!("{} => {trait_}::from_body(body).map(Request::{}),\n", r.id, r.rust)
    });
    let ids = each(&|r| format!("Request::{}(_) => {},\n", r.rust, r.id));
    out.push_str(&format!(
        "impl{on_id} Request{generic} {{
            /// The request with this id.
            ///
            /// Errors: `BadId` for an id of another interface, `TypeError` for items of another shape; the body
            /// comes back as it came, with every right in it.
            pub fn decode{on_decode}(
                id: i32, body: Vec<msg::Item<R>>,
            ) -> Result<Request{generic}, msg::BadBody<R>> {{
                match id {{
                    {decode}
                    _ => Err(msg::BadBody {{ error: crate::MigError::BadId, body }}),
                }}
            }}
            /// `msgh_id` of the request.
            pub fn id(&self) -> i32 {{ match self {{ {ids} }} }}
        }}\n"
    ));
    out
}

/// The struct's name with its parameter, which it has when it carries rights.
fn applied(name: &str, fields: &[Field]) -> String {
    if fields.iter().any(Field::is_right) { format!("{name}<R>") } else { name.to_owned() }
}

fn doc(lines: &[String]) -> String {
    lines.iter().map(|l| format!("/// {l}\n")).collect()
}

fn rust_type(kind: &Kind) -> String {
    match kind {
        Kind::Port(_) => "R".to_owned(),
        Kind::Ports(_) => "Vec<R>".to_owned(),
        Kind::U32 => "u32".to_owned(),
        Kind::I32 => "i32".to_owned(),
        Kind::Bool => "bool".to_owned(),
        Kind::U64 => "u64".to_owned(),
        Kind::Text => "String".to_owned(),
        Kind::Bytes => "::bytes::Bytes".to_owned(),
        Kind::OutOfLine => "crate::Payload".to_owned(),
        Kind::Record(m) => m.clone(),
        Kind::Records(m) => format!("Vec<{m}>"),
    }
}

fn into_item(field: &Field) -> String {
    let f = &field.name;
    match &field.kind {
        Kind::Port(_) => format!("msg::Item::Port({f})"),
        Kind::Ports(_) => format!("msg::Item::Ports({f})"),
        Kind::U32 => format!("msg::Item::U32({f})"),
        Kind::I32 => format!("msg::Item::U32({f} as u32)"),
        Kind::Bool => format!("msg::Item::U32({f}.into())"),
        Kind::U64 => format!("msg::Item::U64({f})"),
        Kind::Text => format!("args::from_text({f})"),
        Kind::Bytes => format!("msg::Item::Data({f})"),
        Kind::OutOfLine => format!("msg::Item::OutOfLine({f})"),
        Kind::Record(_) => format!("args::from_record(&{f})"),
        Kind::Records(_) => format!("args::from_records(&{f})"),
    }
}

/// The function of `proto/src/args.rs` that reads an item by reference, where its type does not say enough.
fn parser(kind: &Kind) -> Option<&'static str> {
    match kind {
        Kind::Text => Some("text"),
        Kind::Record(_) => Some("record"),
        Kind::Records(_) => Some("records"),
        _ => None,
    }
}

fn pattern(field: &Field) -> String {
    let variant = match &field.kind {
        Kind::Port(_) => "Port",
        Kind::Ports(_) => "Ports",
        Kind::U32 | Kind::I32 | Kind::Bool => "U32",
        Kind::U64 => "U64",
        Kind::Bytes => "Data",
        Kind::OutOfLine => "OutOfLine",
        Kind::Text | Kind::Record(_) | Kind::Records(_) => return "_".to_owned(),
    };
    format!("msg::Item::{variant}({})", field.name)
}

fn from_item(field: &Field) -> String {
    let f = &field.name;
    match &field.kind {
        Kind::I32 => format!("{f}: {f} as i32"),
        Kind::Bool => format!("{f}: {f} != 0"),
        _ => f.clone(),
    }
}
