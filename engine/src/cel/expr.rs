//! The compiled form of an expression.

use regex_lite::Regex;

use super::function::Function;

/// An expression. Its depth is bounded when it is parsed.
#[derive(Debug)]
pub(super) enum Expr {
    Const(Const),
    Fact(Fact),
    /// Whether a fact is there.
    HasFact(Fact),
    /// A variable of an enclosing macro, by its place.
    Local(usize),
    Field(Box<Expr>, Box<str>),
    HasField(Box<Expr>, Box<str>),
    Index(Box<(Expr, Expr)>),
    Not(Box<Expr>),
    Negate(Box<Expr>),
    /// `&&`
    All(Vec<Expr>),
    /// `||`
    Any(Vec<Expr>),
    Choose(Box<[Expr; 3]>),
    Binary(Op, Box<(Expr, Expr)>),
    Call(Function, Vec<Expr>),
    Matches(Box<Expr>, Regex),
    List(Vec<Expr>),
    Map(Vec<(Expr, Expr)>),
    Loop(Box<Loop>),
}

/// A macro over a list, or the keys of a map.
#[derive(Debug)]
pub(super) struct Loop {
    pub(super) kind: LoopKind,
    pub(super) over: Expr,
    /// The condition; for `map` with two arguments none.
    pub(super) test: Option<Expr>,
    /// What `map` makes of an element.
    pub(super) make: Option<Expr>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LoopKind {
    All,
    Exists,
    ExistsOne,
    /// `filter` and `map`.
    Collect,
}

#[derive(Clone, Debug)]
pub(super) enum Const {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Str(Box<str>),
    Bytes(Box<[u8]>),
    Type(&'static str),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
}

/// What an expression can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fact {
    Args,
    Environment,
    Now,
    Method,
    Capability,
    Name,
    Tool,
    Resource,
    Prompt,
    Id,
    Kind,
    Tenant,
    Roles,
    Teams,
    Agent,
    Session,
    Taint,
    Server,
}

/// Facts that stand alone.
pub(super) const PLAIN: [(&str, Fact); 3] =
    [("args", Fact::Args), ("environment", Fact::Environment), ("now", Fact::Now)];

/// Facts that are fields of something.
pub(super) const FIELDS: [(&str, &str, Fact); 15] = [
    ("mcp", "method", Fact::Method),
    ("mcp", "capability", Fact::Capability),
    ("mcp", "name", Fact::Name),
    ("mcp", "tool", Fact::Tool),
    ("mcp", "resource", Fact::Resource),
    ("mcp", "prompt", Fact::Prompt),
    ("principal", "id", Fact::Id),
    ("principal", "kind", Fact::Kind),
    ("principal", "tenant", Fact::Tenant),
    ("principal", "roles", Fact::Roles),
    ("principal", "teams", Fact::Teams),
    ("principal", "agent", Fact::Agent),
    ("session", "id", Fact::Session),
    ("session", "taint", Fact::Taint),
    ("server", "name", Fact::Server),
];

/// Names of types, as `type(x)` yields them.
pub(super) const TYPES: [&str; 12] = [
    "bool",
    "bytes",
    "double",
    "google.protobuf.Duration",
    "google.protobuf.Timestamp",
    "int",
    "list",
    "map",
    "null_type",
    "string",
    "type",
    "uint",
];
