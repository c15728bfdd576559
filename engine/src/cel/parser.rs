//! Tokens to an expression, checking all that can be known before evaluation.

use regex_lite::Regex;

use super::CompileError;
use super::expr::{Const, Expr, FIELDS, Fact, Loop, LoopKind, Op, PLAIN, TYPES};
use super::function::{self, Function};
use super::lexer::{Token, tokens};
use crate::config::nearest;

/// Parses an expression.
pub(super) fn parse(text: &str) -> Result<Expr, CompileError> {
    let error = |message: &str| CompileError { offset: 0, message: message.to_owned() };
    if text.len() > MAX_TEXT {
        return Err(error("expression too long"));
    }
    let tokens = tokens(text)?;
    let mut parser = Parser { tokens, at: 0, depth: 0, locals: Vec::new() };
    let expr = parser.expr()?;
    if *parser.peek() != Token::End {
        return Err(parser.error("unexpected token"));
    }
    Ok(expr.expr)
}

struct Parser {
    tokens: Vec<(Token, usize)>,
    at: usize,
    /// Of expressions within expressions.
    depth: usize,
    /// Variables of the enclosing macros.
    locals: Vec<Box<str>>,
}

/// An expression and its depth.
struct Parsed {
    expr: Expr,
    depth: usize,
}

type Outcome = Result<Parsed, CompileError>;

impl Parser {
    fn expr(&mut self) -> Outcome {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.error("expression nested too deeply"));
        }
        let test = self.any()?;
        let parsed = if self.eat("?") {
            let then = self.any()?;
            self.expect(":")?;
            let otherwise = self.expr()?;
            let depth = test.depth.max(then.depth).max(otherwise.depth);
            self.parsed(Expr::Choose(Box::new([test.expr, then.expr, otherwise.expr])), depth)?
        } else {
            test
        };
        self.depth -= 1;
        Ok(parsed)
    }

    fn any(&mut self) -> Outcome {
        let (mut list, depth) = self.chain("||", Self::all)?;
        if list.len() > 1 { self.parsed(Expr::Any(list), depth) } else { self.single(list.pop(), depth) }
    }

    fn all(&mut self) -> Outcome {
        let (mut list, depth) = self.chain("&&", |parser| parser.binary(0))?;
        if list.len() > 1 { self.parsed(Expr::All(list), depth) } else { self.single(list.pop(), depth) }
    }

    fn single(&self, expr: Option<Expr>, depth: usize) -> Outcome {
        expr.map(|expr| Parsed { expr, depth }).ok_or_else(|| self.error("expression expected"))
    }

    fn chain(
        &mut self,
        mark: &str,
        mut next: impl FnMut(&mut Self) -> Outcome,
    ) -> Result<(Vec<Expr>, usize), CompileError> {
        let mut list = Vec::new();
        let mut depth = 0;
        loop {
            let parsed = next(self)?;
            depth = depth.max(parsed.depth);
            list.push(parsed.expr);
            if !self.eat(mark) {
                return Ok((list, depth));
            }
        }
    }

    /// Relations, sums and products, by their precedence.
    fn binary(&mut self, least: u8) -> Outcome {
        let mut left = self.unary()?;
        loop {
            let (op, strength) = match self.peek() {
                Token::Mark(mark) => match OPERATORS.iter().find(|(written, ..)| written == mark) {
                    Some((_, op, strength)) => (*op, *strength),
                    None => return Ok(left),
                },
                Token::Name(name) if &**name == "in" => (Op::In, 0),
                _ => return Ok(left),
            };
            if strength < least {
                return Ok(left);
            }
            self.at += 1;
            let right = self.binary(strength + 1)?;
            let depth = left.depth.max(right.depth);
            left = self.parsed(Expr::Binary(op, Box::new((left.expr, right.expr))), depth)?;
        }
    }

    fn unary(&mut self) -> Outcome {
        let (mut nots, mut minuses) = (0, 0);
        loop {
            if minuses == 0 && self.eat("!") {
                nots += 1;
            } else if nots == 0 && matches!(self.peek(), Token::Mark("-")) {
                // The most negative number has no positive counterpart.
                if let Some(Token::Int(number)) = self.tokens.get(self.at + 1).map(|(token, _)| token)
                    && minuses % 2 == 0
                {
                    let number =
                        0_i64.checked_sub_unsigned(*number).ok_or_else(|| self.error("number out of range"))?;
                    self.at += 2;
                    let literal = self.member(Parsed { expr: Expr::Const(Const::Int(number)), depth: 1 })?;
                    return self.negated(literal, 0, minuses);
                }
                self.at += 1;
                minuses += 1;
            } else {
                break;
            }
        }
        let primary = self.primary()?;
        let operand = self.member(primary)?;
        self.negated(operand, nots, minuses)
    }

    fn negated(&mut self, operand: Parsed, nots: usize, minuses: usize) -> Outcome {
        let depth = operand.depth;
        if nots > 0 {
            // Twice keeps the demand for a boolean.
            let times = 2 - nots % 2;
            let expr = (0..times).fold(operand.expr, |expr, _| Expr::Not(Box::new(expr)));
            return self.parsed(expr, depth + 1);
        }
        if minuses > 0 {
            let times = 2 - minuses % 2;
            let expr = (0..times).fold(operand.expr, |expr, _| Expr::Negate(Box::new(expr)));
            return self.parsed(expr, depth + 1);
        }
        Ok(operand)
    }

    /// Fields, indexes and methods behind something.
    fn member(&mut self, mut of: Parsed) -> Outcome {
        loop {
            let depth = of.depth;
            if self.eat(".") {
                let offset = self.offset();
                let name = self.name()?;
                of = if self.eat("(") {
                    self.method(of, &name, offset)?
                } else {
                    self.parsed(Expr::Field(Box::new(of.expr), name), depth)?
                };
            } else if self.eat("[") {
                let index = self.expr()?;
                self.expect("]")?;
                let depth = depth.max(index.depth);
                of = self.parsed(Expr::Index(Box::new((of.expr, index.expr))), depth)?;
            } else {
                return Ok(of);
            }
        }
    }

    fn primary(&mut self) -> Outcome {
        let offset = self.offset();
        let (token, _) = self.tokens.get(self.at).cloned().unwrap_or((Token::End, offset));
        self.at += 1;
        let constant = match token {
            Token::Int(number) => Const::Int(i64::try_from(number).map_err(|_| error(offset, "number out of range"))?),
            Token::Uint(number) => Const::Uint(number),
            Token::Double(number) => Const::Double(number),
            Token::Str(text) => Const::Str(text),
            Token::Bytes(bytes) => Const::Bytes(bytes),
            Token::Name(name) => return self.named(&name, offset),
            Token::Mark("(") => {
                let inner = self.expr()?;
                self.expect(")")?;
                return Ok(inner);
            }
            Token::Mark("[") => {
                let (list, depth) = self.list("]")?;
                return self.parsed(Expr::List(list), depth);
            }
            Token::Mark("{") => return self.map(),
            Token::Mark(".") => {
                let name = self.name()?;
                return self.named(&name, offset);
            }
            Token::Mark(_) | Token::End => return Err(error(offset, "expression expected")),
        };
        Ok(Parsed { expr: Expr::Const(constant), depth: 1 })
    }

    fn named(&mut self, name: &str, offset: usize) -> Outcome {
        let leaf = |expr| Ok(Parsed { expr, depth: 1 });
        match name {
            "true" | "false" => return leaf(Expr::Const(Const::Bool(name == "true"))),
            "null" => return leaf(Expr::Const(Const::Null)),
            _ if RESERVED.contains(&name) => return Err(error(offset, format!("`{name}` is a reserved word"))),
            _ => {}
        }
        if self.eat("(") {
            return self.function(name, offset);
        }
        if let Some(place) = self.locals.iter().rposition(|local| &**local == name) {
            return leaf(Expr::Local(place));
        }
        if let Some((_, fact)) = PLAIN.iter().find(|(plain, _)| *plain == name) {
            return leaf(Expr::Fact(*fact));
        }
        if FIELDS.iter().any(|(of, ..)| *of == name) {
            return self.fact(name, offset).map(|fact| Parsed { expr: Expr::Fact(fact), depth: 1 });
        }
        if name == "google" {
            let rest = ["protobuf", "Timestamp", "Duration"];
            let mut whole = name.to_owned();
            while self.eat(".") {
                let part = self.name()?;
                if !rest.contains(&&*part) {
                    return Err(error(offset, "unknown type"));
                }
                whole = format!("{whole}.{part}");
            }
            return match TYPES.iter().find(|known| **known == whole) {
                Some(known) => leaf(Expr::Const(Const::Type(known))),
                None => Err(error(offset, "unknown type")),
            };
        }
        if let Some(known) = TYPES.iter().find(|known| **known == name) {
            return leaf(Expr::Const(Const::Type(known)));
        }
        let known = PLAIN.iter().map(|(plain, _)| *plain).chain(FIELDS.iter().map(|(of, ..)| *of));
        let hint = nearest(name, known).map_or(String::new(), |known| format!("; did you mean `{known}`?"));
        Err(error(offset, format!("unknown name `{name}`{hint}")))
    }

    /// The field that stands behind `mcp`, `principal` and the like.
    fn fact(&mut self, of: &str, offset: usize) -> Result<Fact, CompileError> {
        let own = || FIELDS.iter().filter(|(known, ..)| *known == of).map(|(_, field, _)| *field);
        if !self.eat(".") {
            let list: Vec<String> = own().map(|field| format!("`{of}.{field}`")).collect();
            return Err(error(offset, format!("`{of}` has no value by itself: use {}", list.join(", "))));
        }
        let offset = self.offset();
        let field = self.name()?;
        if let Some((.., fact)) = FIELDS.iter().find(|(known, known_field, _)| *known == of && *known_field == &*field)
        {
            return Ok(*fact);
        }
        let hint = nearest(&field, own()).map_or(String::new(), |known| format!("; did you mean `{of}.{known}`?"));
        Err(error(offset, format!("unknown field `{of}.{field}`{hint}")))
    }

    fn function(&mut self, name: &str, offset: usize) -> Outcome {
        if name == "has" {
            let of = self.expr()?;
            self.expect(")")?;
            let expr = match of.expr {
                Expr::Field(of, name) => Expr::HasField(of, name),
                Expr::Fact(fact) => Expr::HasFact(fact),
                _ => return Err(error(offset, "`has` takes a field, as in `has(args.path)`")),
            };
            return self.parsed(expr, of.depth);
        }
        let (args, depth) = self.list(")")?;
        self.call(name, args, depth, false, offset)
    }

    fn method(&mut self, of: Parsed, name: &str, offset: usize) -> Outcome {
        let kind = match name {
            "all" => Some(LoopKind::All),
            "exists" => Some(LoopKind::Exists),
            "exists_one" | "existsOne" => Some(LoopKind::ExistsOne),
            "filter" | "map" => Some(LoopKind::Collect),
            _ => None,
        };
        if let Some(kind) = kind {
            return self.a_macro(of, kind, name == "map");
        }
        let (mut args, depth) = self.list(")")?;
        let depth = depth.max(of.depth);
        if name == "matches" {
            let pattern = match (args.pop(), args.is_empty()) {
                (Some(Expr::Const(Const::Str(pattern))), true) => pattern,
                _ => return Err(error(offset, "`matches` takes one regular expression, written in quotes")),
            };
            let regex = Regex::new(&pattern).map_err(|problem| error(offset, format!("wrong pattern: {problem}")))?;
            return self.parsed(Expr::Matches(Box::new(of.expr), regex), depth);
        }
        args.insert(0, of.expr);
        self.call(name, args, depth, true, offset)
    }

    fn call(&self, name: &str, args: Vec<Expr>, depth: usize, is_method: bool, offset: usize) -> Outcome {
        if name == "matches" {
            return match <[Expr; 2]>::try_from(args) {
                Ok([of, Expr::Const(Const::Str(pattern))]) => {
                    let regex =
                        Regex::new(&pattern).map_err(|problem| error(offset, format!("wrong pattern: {problem}")))?;
                    self.parsed(Expr::Matches(Box::new(of), regex), depth)
                }
                _ => Err(error(offset, "`matches` takes a text and a regular expression, written in quotes")),
            };
        }
        let Some(function) = Function::find(name, is_method) else {
            let known = function::names(is_method);
            let hint = nearest(name, known).map_or(String::new(), |known| format!("; did you mean `{known}`?"));
            return Err(error(offset, format!("unknown function `{name}`{hint}")));
        };
        if !function.takes(args.len()) {
            return Err(error(offset, format!("wrong number of arguments for `{name}`")));
        }
        self.parsed(Expr::Call(function, args), depth)
    }

    fn a_macro(&mut self, over: Parsed, kind: LoopKind, makes: bool) -> Outcome {
        let offset = self.offset();
        let variable = self.name()?;
        if RESERVED.contains(&&*variable) || self.locals.len() >= MAX_LOCALS {
            return Err(error(offset, "a variable is expected here"));
        }
        self.expect(",")?;
        self.locals.push(variable);
        let first = self.expr()?;
        let second = if makes && self.eat(",") { Some(self.expr()?) } else { None };
        self.locals.pop();
        self.expect(")")?;
        let depth = first.depth.max(second.as_ref().map_or(0, |second| second.depth)).max(over.depth);
        let (test, make) = match (makes, second) {
            (true, Some(second)) => (Some(first.expr), Some(second.expr)),
            (true, None) => (None, Some(first.expr)),
            (false, _) => (Some(first.expr), None),
        };
        self.parsed(Expr::Loop(Box::new(Loop { kind, over: over.expr, test, make })), depth)
    }

    /// Expressions with commas between them, up to `close`; one more comma may follow the last of a list.
    fn list(&mut self, close: &str) -> Result<(Vec<Expr>, usize), CompileError> {
        let mut list = Vec::new();
        let mut depth = 0;
        while !self.eat(close) {
            let parsed = self.expr()?;
            depth = depth.max(parsed.depth);
            list.push(parsed.expr);
            if !self.eat(",") {
                self.expect(close)?;
                break;
            }
            if close == ")" && matches!(self.peek(), Token::Mark(")")) {
                return Err(self.error("expression expected"));
            }
        }
        Ok((list, depth))
    }

    fn map(&mut self) -> Outcome {
        let mut entries = Vec::new();
        let mut depth = 0;
        while !self.eat("}") {
            let key = self.expr()?;
            self.expect(":")?;
            let value = self.expr()?;
            depth = depth.max(key.depth).max(value.depth);
            entries.push((key.expr, value.expr));
            if !self.eat(",") {
                self.expect("}")?;
                break;
            }
        }
        self.parsed(Expr::Map(entries), depth)
    }

    /// An expression whose parts have this depth.
    fn parsed(&self, expr: Expr, depth: usize) -> Outcome {
        // Evaluating and dropping go as deep as the expression.
        if depth >= MAX_TREE {
            return Err(self.error("expression nested too deeply"));
        }
        Ok(Parsed { expr, depth: depth + 1 })
    }

    fn name(&mut self) -> Result<Box<str>, CompileError> {
        match self.tokens.get(self.at) {
            Some((Token::Name(name), _)) => {
                self.at += 1;
                Ok(name.clone())
            }
            _ => Err(self.error("name expected")),
        }
    }

    fn peek(&self) -> &Token {
        self.tokens.get(self.at).map_or(&Token::End, |(token, _)| token)
    }

    fn eat(&mut self, mark: &str) -> bool {
        let found = matches!(self.peek(), Token::Mark(found) if *found == mark);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, mark: &str) -> Result<(), CompileError> {
        if self.eat(mark) { Ok(()) } else { Err(self.error(format!("`{mark}` expected"))) }
    }

    fn offset(&self) -> usize {
        self.tokens.get(self.at).or(self.tokens.last()).map_or(0, |(_, offset)| *offset)
    }

    fn error(&self, message: impl Into<String>) -> CompileError {
        error(self.offset(), message)
    }
}

fn error(offset: usize, message: impl Into<String>) -> CompileError {
    CompileError { offset, message: message.into() }
}

/// Relations bind least, products most.
const OPERATORS: [(&str, Op, u8); 11] = [
    ("==", Op::Equal, 0),
    ("!=", Op::NotEqual, 0),
    ("<", Op::Less, 0),
    ("<=", Op::LessOrEqual, 0),
    (">", Op::Greater, 0),
    (">=", Op::GreaterOrEqual, 0),
    ("+", Op::Add, 1),
    ("-", Op::Subtract, 1),
    ("*", Op::Multiply, 2),
    ("/", Op::Divide, 2),
    ("%", Op::Remainder, 2),
];

/// Words that are no names (langdef, "Syntax").
const RESERVED: [&str; 21] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "false",
    "for",
    "function",
    "if",
    "import",
    "in",
    "let",
    "loop",
    "namespace",
    "null",
    "package",
    "return",
    "true",
    "var",
    "void",
    "while",
];

/// Longest expression, in bytes.
const MAX_TEXT: usize = 16 << 10;
/// How deep expressions in parentheses, brackets and arguments may nest.
const MAX_DEPTH: usize = 40;
/// Deepest tree: chains of operators and fields are deep as well.
const MAX_TREE: usize = 96;
/// Most macros within one another.
const MAX_LOCALS: usize = 8;
