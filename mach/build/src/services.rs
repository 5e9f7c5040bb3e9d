//! Clients and servers of interfaces: for each a `Client`, a trait for servers and one for servers whose routines are
//! awaited, and what brings requests to them. They stand on `mach/src/service.rs`.

use super::model::{Field, Interface, Kind, Routine, snake};
use super::stubs::{applied, doc, rust_type};

/// Where the generated code finds the library, which writes `MACH::`, and the stubs' library, `PROTO::`.
#[derive(Clone, Copy, Debug)]
pub struct Roots {
    /// `crate::` within the library, else `::mach::`.
    pub mach: &'static str,
    /// `::proto::` within the library, else `::mach::proto::`.
    pub proto: &'static str,
}

/// The text for one interface, beside its stubs.
pub fn of(interface: &Interface, roots: Roots) -> String {
    let text = [client(interface), server(interface, false), server(interface, true)].concat();
    text.replace("MACH::", roots.mach).replace("PROTO::", roots.proto)
}

/// What is declared beside the stubs of a service.
pub fn names(service: &str) -> [String; 5] {
    let awaited = format!("{service}Async");
    ["Client".into(), "Server".into(), "AsyncServer".into(), service.into(), awaited]
}

fn client(interface: &Interface) -> String {
    let methods: String = interface.routines.iter().map(call).collect();
    format!(
        "
        /// The interface's routines at one port. A call is made when it is waited for (`wait`) or awaited.
        #[derive(Clone, Debug)]
        pub struct Client<D> {{
            /// Who calls.
            pub task: MACH::Task,
            /// Whom.
            pub to: D,
        }}
        impl<D: MACH::Destination> Client<D> {{
            /// Calls of `task` to `to`.
            pub fn new(task: &MACH::Task, to: D) -> Client<D> {{ Client {{ task: task.clone(), to }} }}
            {methods}
        }}\n"
    )
}

fn call(r: &Routine) -> String {
    let arguments: String =
        r.arguments.iter().map(|f| format!(", {}: {}", ident(&f.name), argument(&f.kind))).collect();
    let fields: String = r.arguments.iter().map(|f| format!("{}: {},", ident(&f.name), taken(f))).collect();
    let request = if r.arguments.is_empty() { r.rust.clone() } else { format!("{} {{ {fields} }}", r.rust) };
    let (doc, name, ty) = (about(r), method(r), owned(&r.rust, &r.arguments));
    match r.results {
        Some(_) => format!(
            "{doc}pub fn {name}(&self{arguments}) -> MACH::Invocation<{ty}> {{
                MACH::Invocation::new(&self.task, &self.to, {request})
            }}\n"
        ),
        None => format!(
            "{doc}pub fn {name}(&self{arguments}) -> Result<(), MACH::SendError> {{
                MACH::Outgoing::request(self.to.destination(), {request}).send(&self.task)
            }}\n"
        ),
    }
}

fn server(interface: &Interface, awaited: bool) -> String {
    let service = &interface.service;
    let each = |f: &dyn Fn(&Routine) -> String| interface.routines.iter().map(f).collect::<String>();
    let (suffix, own, how) = if awaited { ("Async", "AsyncServer", "awaited") } else { ("", "Server", "carried out") };
    let methods = each(&|r| {
        let (doc, name, request, results) = (about(r), method(r), owned(&r.rust, &r.arguments), results(r));
        let refuse = "let _ = (call, request); Err(PROTO::MigError::BadId.into())";
        match awaited {
            false => format!(
                "{doc}fn {name}(&mut self, call: &mut MACH::Call, request: {request}) -> Result<{results}, MACH::Code> {{ {refuse} }}\n"
            ),
            true => format!(
                "{doc}fn {name}(&self, call: &mut MACH::Call, request: {request})
                    -> impl Future<Output = Result<{results}, MACH::Code>> + Send {{ async move {{ {refuse} }} }}\n"
            ),
        }
    });
    let wait = if awaited { ".await" } else { "" };
    let arms = each(&|r| {
        let request = owned(&r.rust, &r.arguments);
        let read = format!(
            "let request = <{request} as PROTO::SimpleRoutine<MACH::Right>>::from_body(body).map_err(|bad| bad.error)?;"
        );
        let carry = format!("self.0.{}(call, request){wait}", method(r));
        match r.results {
            Some(_) => format!("{} => {{ {read} {carry}.map(PROTO::msg::Reply::into_body) }}\n", r.id),
            None => format!("{} => {{ {read} {carry}?; Err(MACH::Code::NO_REPLY) }}\n", r.id),
        }
    });
    let bound = if awaited { format!("{service}Async + Sync") } else { service.clone() };
    let (trait_, handle) = match awaited {
        false => (
            "MACH::Service",
            "fn handle(&mut self, call: &mut MACH::Call, body: PROTO::Body<MACH::Right>)
                -> Result<PROTO::Body<MACH::Right>, MACH::Code>",
        ),
        true => (
            "MACH::AsyncService",
            "async fn handle(&self, call: &mut MACH::Call, body: PROTO::Body<MACH::Right>)
                -> Result<PROTO::Body<MACH::Right>, MACH::Code>",
        ),
    };
    format!(
        "
        /// A server of the interface whose routines are {how} one after the other. One that it does not have is refused
        /// (`MIG_BAD_ID`).
        pub trait {service}{suffix} {{ {methods} }}
        /// Brings requests to a server.
        #[derive(Debug)]
        pub struct {own}<S>(pub S);
        impl<S: {bound}> {trait_} for {own}<S> {{
            fn serves(&self, id: i32) -> bool {{ IDS.contains(&id) }}
            {handle} {{
                match call.id {{
                    {arms}
                    _ => Err(PROTO::MigError::BadId.into()),
                }}
            }}
        }}\n"
    )
}

/// The comment of a routine.
fn about(r: &Routine) -> String {
    format!("{}///\n/// `{}`, id {}.\n", doc(&r.doc), r.name, r.id)
}

fn method(r: &Routine) -> String {
    ident(&snake(&r.rust))
}

fn results(r: &Routine) -> String {
    match r.results.as_deref() {
        None | Some([]) => "()".to_owned(),
        Some(fields) => owned(&r.reply(), fields),
    }
}

/// The struct with its rights as values.
fn owned(name: &str, fields: &[Field]) -> String {
    applied(name, fields).replace("<R>", "<MACH::Right>")
}

/// A name that may be one of Rust's own words.
fn ident(name: &str) -> String {
    const WORDS: &[&str] =
        &["type", "move", "match", "loop", "ref", "use", "where", "in", "fn", "mod", "impl", "return"];
    if WORDS.contains(&name) { format!("r#{name}") } else { name.to_owned() }
}

/// What a client's method takes for a field.
fn argument(kind: &Kind) -> String {
    match kind {
        Kind::Port(_) => "impl Into<MACH::Right>".into(),
        Kind::Ports(..) => "Vec<MACH::Right>".into(),
        Kind::Text | Kind::StringC(_) => "impl Into<String>".into(),
        Kind::Bytes => "impl Into<PROTO::Bytes>".into(),
        Kind::OutOfLine => "impl Into<PROTO::Payload>".into(),
        other => rust_type(other),
    }
}

fn taken(field: &Field) -> String {
    let name = ident(&field.name);
    match field.kind {
        Kind::Port(_) | Kind::Text | Kind::StringC(_) | Kind::Bytes | Kind::OutOfLine => format!("{name}.into()"),
        _ => name,
    }
}
