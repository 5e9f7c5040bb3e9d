//! The `ServiceGenerator`: for each routine a request struct and a reply struct, for each interface a `Request` enum.

use prost_build::{Service, ServiceGenerator};

use super::model::{Field, Interface, Kind, Routine, WordKind};
use super::services::{self, Roots};

/// Writes the stubs of the interfaces.
pub struct Stubs {
    /// What is written.
    pub interfaces: Vec<Interface>,
    /// Where the stubs find what they stand on: `crate::` in that crate itself.
    pub root: &'static str,
    /// Whether clients and servers are written beside them, and where these find the library.
    pub services: Option<Roots>,
}

impl ServiceGenerator for Stubs {
    fn generate(&mut self, service: Service, buf: &mut String) {
        let found = self.interfaces.iter().find(|i| i.service == service.proto_name);
        let interface = found.expect("prost-build and the pool read the same files");
        let mut text = String::from("use crate::typed::Element;\nuse crate::{args, body, msg};\n");
        interface.routines.iter().for_each(|r| text.push_str(&routine(r)));
        text.push_str(&requests(interface));
        buf.push_str(&text.replace("crate::", self.root));
        buf.push_str(&self.services.map(|roots| services::of(interface, roots)).unwrap_or_default());
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
        conversions(&r.rust, &r.arguments, false)
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
    let body = conversions(&reply, results, true);
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
            Kind::Port(d) | Kind::Ports(d, _) => vec![format!("Goes in as `{d}` unless the sender says otherwise.")],
            _ => Vec::new(),
        };
        format!("{}{}pub {}: {},\n", doc(&f.doc), doc(&how), f.name, rust_type(&f.kind))
    };
    let members: String = fields.iter().map(member).collect();
    format!("{derive}pub struct {} {{\n{members}}}\n", applied(name, fields))
}

/// `into_body` and `from_body`. Everything is read by reference first and the rights are taken out last, so that a refusal
/// gives back the body as it came. A reply opens with its code.
fn conversions(name: &str, fields: &[Field], reply: bool) -> String {
    let names: Vec<&str> = fields.iter().map(|f| f.name.as_str()).collect();
    let writes: String = fields.iter().map(|f| format!("{};\n", write(f))).collect();
    let reads: String = fields.iter().map(|f| format!("let {} = {}?;\n", f.name, read(&f.kind))).collect();
    let (code_out, code_in) = match reply {
        true => ("writer.u32(Element::INTEGER_32, 0);", "reader.u32(Element::INTEGER_32)?;"),
        false => ("", ""),
    };
    let taken = if fields.iter().any(Field::is_right) { "let mut taken = body::Taken::new(body);" } else { "" };
    let tuple = |list: &[&str]| list.iter().map(|n| format!("{n},")).collect::<String>();
    let value = match fields {
        [] => name.to_owned(),
        _ => format!("{name} {{ {} }}", fields.iter().map(build).collect::<Vec<_>>().join(", ")),
    };
    let pattern = if fields.is_empty() { name.to_owned() } else { format!("{name} {{ {} }}", names.join(", ")) };
    let misfit = if reply { "misfit" } else { "bad_arguments" };
    let mutable = if fields.is_empty() && !reply { "" } else { "mut " };
    format!(
        "fn into_body(self) -> body::Body<R> {{
            let {pattern} = self;
            let {mutable}writer = body::Writer::new();
            {code_out}
            {writes}
            writer.finish()
        }}
        fn from_body(body: body::Body<R>) -> Result<Self, msg::BadBody<R>> {{
            let mut reader = body::Reader::new(&body);
            let mut read = || {{
                {code_in}
                {reads}
                reader.end()?;
                Some(({}))
            }};
            let Some(({})) = read() else {{ return Err(args::{misfit}(body)) }};
            {taken}
            Ok({value})
        }}",
        tuple(&names),
        tuple(&names),
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
            /// Errors: `BadId` for an id of another interface, `BadArguments` for items of another shape; the body
            /// comes back as it came, with every right in it.
            pub fn decode{on_decode}(
                id: i32, body: body::Body<R>,
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
pub(crate) fn applied(name: &str, fields: &[Field]) -> String {
    if fields.iter().any(Field::is_right) { format!("{name}<R>") } else { name.to_owned() }
}

pub(crate) fn doc(lines: &[String]) -> String {
    lines.iter().map(|l| format!("/// {l}\n")).collect()
}

/// What a stub's structure holds for a field.
pub(crate) fn rust_type(kind: &Kind) -> String {
    match kind {
        Kind::Port(_) => "R".to_owned(),
        Kind::Ports(..) => "Vec<R>".to_owned(),
        Kind::U32 | Kind::PortName => "u32".to_owned(),
        Kind::I32 => "i32".to_owned(),
        Kind::Bool => "bool".to_owned(),
        Kind::U64 => "u64".to_owned(),
        Kind::Text | Kind::StringC(_) => "String".to_owned(),
        Kind::Bytes => "crate::Bytes".to_owned(),
        Kind::OutOfLine => "crate::Payload".to_owned(),
        Kind::Array(_) | Kind::InlineArray => "Vec<u32>".to_owned(),
        Kind::Words(m, _) | Kind::Record(m) => m.clone(),
        Kind::Records(m) => format!("Vec<{m}>"),
    }
}

/// The statement that writes a field.
fn write(field: &Field) -> String {
    let f = &field.name;
    match &field.kind {
        Kind::Port(d) => format!("writer.rights(crate::Disposition::{}, true, [{f}])", variant(d)),
        Kind::Ports(d, inline) => format!("writer.rights(crate::Disposition::{}, {inline}, {f})", variant(d)),
        Kind::U32 => format!("writer.u32(Element::INTEGER_32, {f})"),
        Kind::PortName => format!("writer.u32(Element::PORT_NAME, {f})"),
        Kind::I32 => format!("writer.u32(Element::INTEGER_32, {f} as u32)"),
        Kind::Bool => format!("writer.u32(Element::BOOLEAN, {f}.into())"),
        Kind::U64 => format!("writer.u64(Element::INTEGER_64, {f})"),
        Kind::Text => format!("args::write_text(&mut writer, &{f})"),
        Kind::StringC(n) => format!("args::write_string_c::<R, {n}>(&mut writer, &{f})"),
        Kind::Bytes => format!("writer.data(Element::BYTE, {f}.len() as u32, &{f})"),
        Kind::OutOfLine => format!("writer.memory(Element::BYTE, {f})"),
        Kind::Array(element) => format!("args::write_array(&mut writer, Element::{element}, &{f})"),
        Kind::InlineArray => format!("args::write_words(&mut writer, &{f})"),
        Kind::Words(_, words) => {
            let word = |(name, kind): &(String, WordKind)| match kind {
                WordKind::Unsigned => format!("{f}.{name}"),
                WordKind::Signed => format!("{f}.{name} as u32"),
                WordKind::Bool => format!("{f}.{name}.into()"),
                WordKind::Wide => format!("{f}.{name} as u64"),
            };
            let writer = if is_wide(words) { "write_wide_words" } else { "write_words" };
            let words: Vec<String> = words.iter().map(word).collect();
            format!("args::{writer}(&mut writer, &[{}])", words.join(", "))
        }
        Kind::Record(_) => format!("args::write_record(&mut writer, &{f})"),
        Kind::Records(_) => format!("args::write_records(&mut writer, &{f})"),
    }
}

/// The expression that reads a field, as an `Option`.
fn read(kind: &Kind) -> String {
    match kind {
        Kind::Port(_) => "reader.right()".to_owned(),
        Kind::Ports(..) => "reader.rights()".to_owned(),
        Kind::U32 => "reader.u32(Element::INTEGER_32)".to_owned(),
        Kind::PortName => "reader.u32(Element::PORT_NAME)".to_owned(),
        Kind::I32 => "reader.u32(Element::INTEGER_32)".to_owned(),
        Kind::Bool => "reader.u32(Element::BOOLEAN)".to_owned(),
        Kind::U64 => "reader.u64(Element::INTEGER_64)".to_owned(),
        Kind::Text => "args::text(&mut reader)".to_owned(),
        Kind::StringC(n) => format!("args::string_c::<{n}>(&mut reader)"),
        Kind::Bytes => "reader.data(Element::BYTE)".to_owned(),
        Kind::OutOfLine => "reader.memory(Element::BYTE).cloned()".to_owned(),
        Kind::Array(element) => format!("args::array(&mut reader, Element::{element})"),
        Kind::InlineArray => "args::inline_array(&mut reader)".to_owned(),
        Kind::Words(_, words) if is_wide(words) => format!("args::wide_words::<{}>(&mut reader)", words.len()),
        Kind::Words(_, words) => format!("args::words::<{}>(&mut reader)", words.len()),
        Kind::Record(m) => format!("args::record::<{m}>(&mut reader)"),
        Kind::Records(m) => format!("args::records::<{m}>(&mut reader)"),
    }
}

/// Whether a structure is of words of 64 bits.
fn is_wide(words: &[(String, WordKind)]) -> bool {
    words.iter().any(|(_, kind)| *kind == WordKind::Wide)
}

/// The member of the struct, from what was read.
fn build(field: &Field) -> String {
    let f = &field.name;
    match &field.kind {
        // The reader has seen that it is there.
        Kind::Port(_) => format!("{f}: {{ let () = {f}; taken.right() }}"),
        Kind::Ports(..) => format!("{f}: taken.rights({f})"),
        Kind::I32 => format!("{f}: {f} as i32"),
        Kind::Bool => format!("{f}: {f} != 0"),
        Kind::Words(structure, words) => {
            let member = |(i, (name, kind)): (usize, &(String, WordKind))| match kind {
                WordKind::Unsigned => format!("{name}: {f}[{i}]"),
                WordKind::Signed => format!("{name}: {f}[{i}] as i32"),
                WordKind::Bool => format!("{name}: {f}[{i}] != 0"),
                WordKind::Wide => format!("{name}: {f}[{i}] as i64"),
            };
            let members: Vec<String> = words.iter().enumerate().map(member).collect();
            format!("{f}: {structure} {{ {} }}", members.join(", "))
        }
        _ => f.clone(),
    }
}

/// `MAKE_SEND_ONCE` as Rust has it.
fn variant(disposition: &str) -> String {
    let part = |p: &str| format!("{}{}", &p[..1], p[1..].to_ascii_lowercase());
    disposition.split('_').map(part).collect()
}
