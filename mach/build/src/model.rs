//! An interface as the generators see it: read from protox's descriptor pool, because prost's descriptors have lost our
//! options by the time a `ServiceGenerator` gets them.
//!
//! Reading checks the rules of `proto/idl/mach/options.proto`: every routine has an id, no id (nor the id of a reply) is
//! used twice, every field has a form that an item can carry.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail, ensure};
use protox::prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, FileDescriptor, Kind as ProtoKind, MessageDescriptor,
    MethodDescriptor, ServiceDescriptor, Value,
};

/// Message ids: a reply's is its request's plus this.
const REPLY_OFFSET: i32 = 100;
/// Of `mach.Type`.
const PORT_NAME: i32 = 15;

/// One subsystem: a service of `proto/idl/mach`.
#[derive(Clone, Debug)]
pub struct Interface {
    /// The Rust module: the last part of the protobuf package.
    pub module: String,
    /// The protobuf name of the service.
    pub service: String,
    /// What the file says of itself, one line each.
    pub doc: Vec<String>,
    /// The subsystem's base id.
    pub subsystem: i32,
    /// In the order of the file.
    pub routines: Vec<Routine>,
}

/// One routine: a method.
#[derive(Clone, Debug)]
pub struct Routine {
    /// The request's Rust name: the method's without the service's prefix.
    pub rust: String,
    /// Mach's name: the method's in snake case.
    pub name: String,
    /// `msgh_id` of the request.
    pub id: i32,
    /// Comment lines above the method.
    pub doc: Vec<String>,
    /// The arguments after the destination.
    pub arguments: Vec<Field>,
    /// The results; `None` for a simpleroutine.
    pub results: Option<Vec<Field>>,
}

/// One argument or result.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its name in protobuf, in Rust and in the reference page.
    pub name: String,
    /// Comment lines above the field.
    pub doc: Vec<String>,
    /// How an item carries it.
    pub kind: Kind,
}

/// The forms of an argument.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A right, with the disposition it goes in with by default.
    Port(String),
    /// An array of rights, and whether it is inline.
    Ports(String, bool),
    /// An INTEGER_32.
    U32,
    /// A PORT_NAME.
    PortName,
    /// An INTEGER_32 taken as signed.
    I32,
    /// A BOOLEAN, of which any value but 0 is true.
    Bool,
    /// An INTEGER_64.
    U64,
    /// Inline text.
    Text,
    /// Text in a field of so many bytes.
    StringC(u32),
    /// An out-of-line array of INTEGER_32s or PORT_NAMEs: the name of the element.
    Array(&'static str),
    /// An inline array of INTEGER_32s.
    InlineArray,
    /// An inline structure of INTEGER_32s, by its name and those of its fields; whether each is a boolean.
    Words(String, Vec<(String, WordKind)>),
    /// Inline bytes.
    Bytes,
    /// Out-of-line memory.
    OutOfLine,
    /// One protobuf structure, out of line.
    Record(String),
    /// Several, each behind its length.
    Records(String),
}

/// What a word of a structure is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WordKind {
    /// `uint32`.
    Unsigned,
    /// `int32`.
    Signed,
    /// `bool`.
    Bool,
    /// `int64`, of which a structure has no others beside.
    Wide,
}

impl Routine {
    /// The reply's Rust name; there is no struct when nothing is returned.
    pub fn reply(&self) -> String {
        format!("{}Reply", self.rust)
    }
}

impl Field {
    /// Whether it makes its struct generic over the form of rights.
    pub fn is_right(&self) -> bool {
        matches!(self.kind, Kind::Port(_) | Kind::Ports(..))
    }
}

/// Every service of the pool, ordered by file name.
pub fn read(pool: &DescriptorPool) -> Result<Vec<Interface>> {
    let options = Options { pool };
    let mut interfaces =
        pool.services().map(|s| options.interface(&s)).collect::<Result<Vec<_>>>().context("proto/idl")?;
    interfaces.sort_by(|a, b| a.module.cmp(&b.module));
    check_ids(&interfaces)?;
    interfaces.iter().try_for_each(|i| check_names(i, pool))?;
    Ok(interfaces)
}

/// Whether a message is the request or the reply of a routine: it becomes items and is no structure of its own.
pub fn is_body(pool: &DescriptorPool, message: &MessageDescriptor) -> bool {
    pool.services()
        .flat_map(|s| s.methods().collect::<Vec<_>>())
        .any(|m| m.input() == *message || m.output() == *message)
}

/// All that is written into one module has names of its own.
fn check_names(interface: &Interface, pool: &DescriptorPool) -> Result<()> {
    let structures = pool
        .all_messages()
        .filter(|m| m.package_name().rsplit('.').next() == Some(&interface.module) && !is_body(pool, m))
        .map(|m| m.name().to_owned());
    let stubs = interface.routines.iter().flat_map(|r| {
        let reply = r.results.as_ref().filter(|f| !f.is_empty()).map(|_| r.reply());
        std::iter::once(r.rust.clone()).chain(reply)
    });
    let mut seen = BTreeSet::from(["Request".to_owned()]);
    seen.extend(super::services::names(&interface.service));
    for name in structures.chain(stubs) {
        ensure!(seen.insert(name.clone()), "{}: two types named {name}", interface.module);
    }
    Ok(())
}

/// Requests share one number space with the replies of all interfaces, so that an id alone says what a message is.
fn check_ids(interfaces: &[Interface]) -> Result<()> {
    let mut seen: BTreeMap<i32, String> = BTreeMap::new();
    for routine in interfaces.iter().flat_map(|i| &i.routines) {
        let reply =
            routine.results.is_some().then(|| (routine.id + REPLY_OFFSET, format!("reply of {}", routine.name)));
        for (id, what) in [(routine.id, routine.name.clone())].into_iter().chain(reply) {
            if let Some(other) = seen.insert(id, what.clone()) {
                bail!("id {id} is given to {other} and to {what}");
            }
        }
    }
    Ok(())
}

struct Options<'a> {
    pool: &'a DescriptorPool,
}

impl Options<'_> {
    fn interface(&self, service: &ServiceDescriptor) -> Result<Interface> {
        let name = service.full_name();
        let module = service.package_name().rsplit('.').next().unwrap_or_default().to_owned();
        let subsystem = self.option(&service.options(), "mach.subsystem").and_then(|v| v.as_i32());
        let prefix = self.option(&service.options(), "mach.prefix").and_then(|v| v.as_str().map(str::to_owned));
        let prefix = prefix.unwrap_or_default();
        let routines = service.methods().map(|m| self.routine(&m, &prefix)).collect::<Result<Vec<_>>>();
        Ok(Interface {
            module,
            service: service.name().to_owned(),
            doc: file_comment(&service.parent_file()),
            subsystem: subsystem.with_context(|| format!("{name}: no (mach.subsystem)"))?,
            routines: routines.context(name.to_owned())?,
        })
    }

    fn routine(&self, method: &MethodDescriptor, prefix: &str) -> Result<Routine> {
        let name = method.name();
        let rust = name.strip_prefix(prefix).with_context(|| format!("{name} does not begin with {prefix}"))?;
        ensure!(rust.starts_with(|c: char| c.is_ascii_uppercase()), "{name}: nothing is left without {prefix}");
        let options = method.options();
        let id = self.option(&options, "mach.id").and_then(|v| v.as_i32());
        let oneway = self.option(&options, "mach.oneway").and_then(|v| v.as_bool()).unwrap_or(false);
        let results = self.fields(&method.output()).with_context(|| name.to_owned())?;
        ensure!(!oneway || results.is_empty(), "{name}: a simpleroutine with results");
        ensure!(!method.is_client_streaming() && !method.is_server_streaming(), "{name}: a stream");
        Ok(Routine {
            rust: rust.to_owned(),
            name: snake(name),
            id: id.filter(|id| *id > 0).with_context(|| format!("{name}: no (mach.id)"))?,
            doc: comment(&method.parent_service().parent_file(), method.path()),
            arguments: self.fields(&method.input()).with_context(|| name.to_owned())?,
            results: (!oneway).then_some(results),
        })
    }

    fn fields(&self, message: &MessageDescriptor) -> Result<Vec<Field>> {
        let mut fields: Vec<FieldDescriptor> = message.fields().collect();
        fields.sort_by_key(FieldDescriptor::number);
        let to_field = |f: &FieldDescriptor| -> Result<Field> {
            let kind = self.kind(f, message).with_context(|| format!("{}.{}", message.name(), f.name()))?;
            Ok(Field { name: f.name().to_owned(), doc: comment(&message.parent_file(), f.path()), kind })
        };
        fields.iter().map(to_field).collect()
    }

    fn kind(&self, field: &FieldDescriptor, message: &MessageDescriptor) -> Result<Kind> {
        ensure!(!field.supports_presence() || matches!(field.kind(), ProtoKind::Message(_)), "optional and oneof");
        let port = self.option(&field.options(), "mach.port").and_then(|v| v.as_enum_number()).unwrap_or(0);
        let ool = self.option(&field.options(), "mach.ool").and_then(|v| v.as_bool()).unwrap_or(false);
        let number = |name| self.option(&field.options(), name).and_then(|v| v.as_u32());
        let is_name = self.option(&field.options(), "mach.type").and_then(|v| v.as_enum_number()) == Some(PORT_NAME);
        if port != 0 {
            ensure!(field.kind() == ProtoKind::Uint32, "a right is a uint32");
            ensure!(field.is_list() || !ool, "one right is inline");
            let how = self.disposition(port)?;
            return Ok(if field.is_list() { Kind::Ports(how, !ool) } else { Kind::Port(how) });
        }
        let inline = self.option(&field.options(), "mach.inline").and_then(|v| v.as_bool()).unwrap_or(false);
        let words = self.option(&field.options(), "mach.words").and_then(|v| v.as_bool()).unwrap_or(false);
        if let (ProtoKind::Message(m), true, false) = (field.kind(), words, field.is_list()) {
            return Ok(Kind::Words(m.name().to_owned(), words_of(&m)?));
        }
        Ok(match (field.kind(), field.is_list(), ool) {
            (ProtoKind::Uint32, true, false) if inline => Kind::InlineArray,
            (ProtoKind::Uint32, true, false) => Kind::Array(if is_name { "PORT_NAME" } else { "INTEGER_32" }),
            (ProtoKind::Uint32, false, false) if is_name => Kind::PortName,
            (ProtoKind::String, false, false) if number("mach.c_string").is_some() => {
                Kind::StringC(number("mach.c_string").unwrap_or_default())
            }
            (ProtoKind::Message(m), list, false) => {
                ensure!(m.package_name() == message.package_name(), "a structure of another package");
                ensure!(!is_body(self.pool, &m), "a request or reply inside another");
                let name = m.name().to_owned();
                if list { Kind::Records(name) } else { Kind::Record(name) }
            }
            (ProtoKind::Bytes, false, true) => Kind::OutOfLine,
            (ProtoKind::Bytes, false, false) => Kind::Bytes,
            (ProtoKind::String, false, false) => Kind::Text,
            (ProtoKind::Uint32, false, false) => Kind::U32,
            (ProtoKind::Int32, false, false) => Kind::I32,
            (ProtoKind::Bool, false, false) => Kind::Bool,
            (ProtoKind::Uint64, false, false) => Kind::U64,
            (kind, ..) => bail!("no item carries {kind:?} of this form"),
        })
    }

    fn disposition(&self, number: i32) -> Result<String> {
        let names = self.pool.get_enum_by_name("mach.Disposition").context("enum mach.Disposition")?;
        Ok(names.get_value(number).with_context(|| format!("disposition {number}"))?.name().to_owned())
    }

    fn option(&self, options: &DynamicMessage, name: &str) -> Option<Value> {
        let extension = self.pool.get_extension_by_name(name)?;
        options.has_extension(&extension).then(|| options.get_extension(&extension).into_owned())
    }
}

/// The fields of a structure of words, in order of their numbers.
fn words_of(message: &MessageDescriptor) -> Result<Vec<(String, WordKind)>> {
    let mut fields: Vec<FieldDescriptor> = message.fields().collect();
    fields.sort_by_key(FieldDescriptor::number);
    let word = |f: &FieldDescriptor| {
        let kind = match (f.kind(), f.is_list()) {
            (ProtoKind::Uint32, false) => WordKind::Unsigned,
            (ProtoKind::Int32, false) => WordKind::Signed,
            (ProtoKind::Bool, false) => WordKind::Bool,
            (ProtoKind::Int64, false) => WordKind::Wide,
            _ => bail!("{}.{} is no word", message.name(), f.name()),
        };
        Ok((f.name().to_owned(), kind))
    };
    let words: Vec<(String, WordKind)> = fields.iter().map(word).collect::<Result<_>>()?;
    let wide = words.iter().filter(|(_, kind)| *kind == WordKind::Wide).count();
    ensure!(wide == 0 || wide == words.len(), "{} has words of 32 and of 64 bits", message.name());
    Ok(words)
}

/// The comment that opens a file: it stands above the `syntax` line.
fn file_comment(file: &FileDescriptor) -> Vec<String> {
    const SYNTAX: i32 = 12;
    comment(file, &[SYNTAX])
}

/// The comment above the declaration at `path`.
fn comment(file: &FileDescriptor, path: &[i32]) -> Vec<String> {
    let info = file.file_descriptor_proto().source_code_info.as_ref();
    let location = info.and_then(|i| i.location.iter().find(|l| l.path == path));
    let text = location.map(|l| l.leading_comments()).unwrap_or_default();
    text.lines().map(|l| l.trim().to_owned()).filter(|l| !l.is_empty()).collect()
}

/// `MemoryObjectInit` becomes `memory_object_init`.
pub fn snake(camel: &str) -> String {
    let mut out = String::new();
    for c in camel.chars() {
        if c.is_ascii_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}
