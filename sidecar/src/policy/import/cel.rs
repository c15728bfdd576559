//! As much of CEL as permissions over names and claims are written in, brought into alternatives of plain tests.
//!
//! It is not evaluated here: an expression becomes matchers, or it is not carried over.

/// One alternative: tests that must all hold.
pub(super) type Clause = Vec<Test>;

/// A test of one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Test {
    /// The field equals one of these; a list field holds one of them.
    OneOf(String, Vec<String>),
    /// The field begins with this.
    Begins(String, String),
    /// The field ends with this.
    Ends(String, String),
    /// This is in the field: a part of a string or an element of a list.
    Holds(String, String),
    /// What matchers cannot say.
    Other(String),
}

/// The alternatives of an expression; none where it can never hold. `Err` where it cannot be read.
pub(super) fn alternatives(text: &str) -> Result<Vec<Clause>, String> {
    let tokens = lex(text)?;
    let mut parser = Parser { tokens: &tokens, at: 0, depth: 0 };
    let clauses = parser.or()?;
    if parser.at != tokens.len() {
        return Err(format!("is not understood behind its {}. token", parser.at));
    }
    Ok(clauses)
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Name(String),
    Text(String),
    Sign(&'static str),
    Number(String),
}

fn lex(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let token = if first == '"' || first == '\'' {
            let (token, length) = string(rest, first)?;
            rest = rest.get(length..).unwrap_or_default();
            token
        } else if first.is_ascii_alphabetic() || first == '_' {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
            let (name, behind) = rest.split_at_checked(end).unwrap_or((rest, ""));
            rest = behind;
            Token::Name(name.to_owned())
        } else if first.is_ascii_digit() {
            let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
            let (number, behind) = rest.split_at_checked(end).unwrap_or((rest, ""));
            rest = behind;
            Token::Number(number.to_owned())
        } else {
            let sign = SIGNS.into_iter().find(|sign| rest.starts_with(sign));
            let sign = sign.ok_or_else(|| format!("has an unexpected `{first}`"))?;
            rest = rest.get(sign.len()..).unwrap_or_default();
            Token::Sign(sign)
        };
        tokens.push(token);
        if tokens.len() > MAX_TOKENS {
            return Err(format!("is longer than {MAX_TOKENS} tokens"));
        }
        rest = rest.trim_start();
    }
    Ok(tokens)
}

/// A string literal and how long it is written.
fn string(text: &str, quote: char) -> Result<(Token, usize), String> {
    let mut out = String::new();
    let mut characters = text.char_indices().skip(1);
    while let Some((at, character)) = characters.next() {
        match character {
            c if c == quote => return Ok((Token::Text(out), at + c.len_utf8())),
            '\\' => match characters.next() {
                Some((_, escaped @ ('\\' | '"' | '\'' | '/'))) => out.push(escaped),
                _ => return Err("has an escape that is not read here".to_owned()),
            },
            other => out.push(other),
        }
    }
    Err("has a string without an end".to_owned())
}

struct Parser<'t> {
    tokens: &'t [Token],
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn or(&mut self) -> Result<Vec<Clause>, String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(format!("is nested more than {MAX_DEPTH} deep"));
        }
        let mut all = self.and()?;
        while self.take("||") {
            all.extend(self.and()?);
            bounded(&all)?;
        }
        self.depth -= 1;
        Ok(all)
    }

    fn and(&mut self) -> Result<Vec<Clause>, String> {
        let mut all = self.unary()?;
        while self.take("&&") {
            let right = self.unary()?;
            let mut product = Vec::new();
            for a in &all {
                product.extend(right.iter().map(|b| [a.as_slice(), b].concat()));
                bounded(&product)?;
            }
            all = product;
        }
        Ok(all)
    }

    fn unary(&mut self) -> Result<Vec<Clause>, String> {
        if self.take("!") {
            self.unary()?;
            return Ok(vec![vec![Test::Other("a negation".to_owned())]]);
        }
        if self.take("(") {
            let inner = self.or()?;
            return if self.take(")") { Ok(inner) } else { Err("has a parenthesis that is not closed".to_owned()) };
        }
        self.test()
    }

    /// One test; what matchers cannot say becomes one that is named and passed over.
    fn test(&mut self) -> Result<Vec<Clause>, String> {
        let from = self.at;
        let read = self.plain_test();
        let ended = match self.tokens.get(self.at) {
            None => true,
            Some(Token::Sign(sign)) => ["&&", "||", ")"].contains(sign),
            Some(_) => false,
        };
        match read {
            Ok(clauses) if ended => Ok(clauses),
            Ok(_) => Ok(self.pass_over(from, "what follows a test")),
            Err(what) => Ok(self.pass_over(from, &what)),
        }
    }

    /// Goes to the end of the test that began at `from`.
    fn pass_over(&mut self, from: usize, what: &str) -> Vec<Clause> {
        self.at = from;
        let mut depth = 0_usize;
        while let Some(token) = self.tokens.get(self.at) {
            match token {
                Token::Sign("(" | "[") => depth += 1,
                Token::Sign(")" | "]") if depth > 0 => depth -= 1,
                Token::Sign("&&" | "||" | ")") if depth == 0 => break,
                _ => {}
            }
            self.at += 1;
        }
        vec![vec![Test::Other(what.to_owned())]]
    }

    fn plain_test(&mut self) -> Result<Vec<Clause>, String> {
        let one = |test| Ok(vec![vec![test]]);
        match self.next() {
            Some(Token::Name(name)) if name == "true" => Ok(vec![Vec::new()]),
            Some(Token::Name(name)) if name == "false" => Ok(Vec::new()),
            Some(Token::Text(value)) => {
                if self.take("==") {
                    return one(Test::OneOf(self.field()?, vec![value]));
                }
                if self.take_name("in") {
                    return one(Test::Holds(self.field()?, value));
                }
                Err("a comparison that begins with a text".to_owned())
            }
            Some(Token::Name(_)) => {
                self.at -= 1;
                let (field, called) = self.field_or_call()?;
                if let Some((method, argument)) = called {
                    return match method.as_str() {
                        "startsWith" => one(Test::Begins(field, argument)),
                        "endsWith" => one(Test::Ends(field, argument)),
                        "contains" => one(Test::Holds(field, argument)),
                        other => Err(format!("`{other}`")),
                    };
                }
                if self.take("==") {
                    return match self.next() {
                        Some(Token::Text(value)) => one(Test::OneOf(field, vec![value])),
                        _ => Err(format!("`{field}` compared with no string")),
                    };
                }
                if self.take_name("in") {
                    return Ok(vec![vec![Test::OneOf(field, self.list()?)]]);
                }
                match ["!=", "<=", ">=", "<", ">"].into_iter().find(|sign| self.take(sign)) {
                    Some(sign) => Err(format!("`{sign}`")),
                    None => Err(format!("`{field}` by itself")),
                }
            }
            _ => Err("a test of another kind".to_owned()),
        }
    }

    fn field(&mut self) -> Result<String, String> {
        match self.field_or_call()? {
            (field, None) => Ok(field),
            (_, Some((method, _))) => Err(format!("`{method}`")),
        }
    }

    /// `a.b["c"]`, perhaps with a call of a method that takes one string at its end.
    fn field_or_call(&mut self) -> Result<(String, Option<(String, String)>), String> {
        let Some(Token::Name(mut path)) = self.next() else { return Err("a test of another kind".to_owned()) };
        loop {
            if self.take(".") {
                let Some(Token::Name(name)) = self.next() else { return Err("a test of another kind".to_owned()) };
                if self.take("(") {
                    return match (self.next(), self.take(")")) {
                        (Some(Token::Text(argument)), true) => Ok((path, Some((name, argument)))),
                        _ => Err(format!("`{name}`")),
                    };
                }
                path = format!("{path}.{name}");
            } else if self.take("[") {
                match (self.next(), self.take("]")) {
                    (Some(Token::Text(name)), true) if !name.contains('.') => path = format!("{path}.{name}"),
                    _ => return Err("an index".to_owned()),
                }
            } else if self.take("(") {
                return Err(format!("`{path}(…)`"));
            } else {
                return Ok((path, None));
            }
        }
    }

    fn list(&mut self) -> Result<Vec<String>, String> {
        if !self.take("[") {
            return Err("`in` with no list of strings".to_owned());
        }
        let mut all = Vec::new();
        while !self.take("]") {
            match self.next() {
                Some(Token::Text(value)) => all.push(value),
                _ => return Err("`in` with no list of strings".to_owned()),
            }
            if !self.take(",") && self.tokens.get(self.at) != Some(&Token::Sign("]")) {
                return Err("a list that is not closed".to_owned());
            }
        }
        Ok(all)
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += usize::from(token.is_some());
        token
    }

    fn take(&mut self, sign: &str) -> bool {
        let found = matches!(self.tokens.get(self.at), Some(Token::Sign(known)) if *known == sign);
        self.at += usize::from(found);
        found
    }

    fn take_name(&mut self, name: &str) -> bool {
        let found = matches!(self.tokens.get(self.at), Some(Token::Name(known)) if known == name);
        self.at += usize::from(found);
        found
    }
}

fn bounded(clauses: &[Clause]) -> Result<(), String> {
    if clauses.len() <= MAX_CLAUSES { Ok(()) } else { Err(format!("has more than {MAX_CLAUSES} alternatives")) }
}

/// Longer ones first. Without those of the conditional operator: it binds looser than `||`, so that what stands before
/// it is no alternative of its own.
const SIGNS: [&str; 20] =
    ["||", "&&", "==", "!=", "<=", ">=", "<", ">", "!", "(", ")", "[", "]", ".", ",", "+", "-", "*", "/", "%"];
const MAX_TOKENS: usize = 2_000;
const MAX_DEPTH: usize = 32;
const MAX_CLAUSES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brings_expressions_into_alternatives() {
        let one_of =
            |field: &str, values: &[&str]| Test::OneOf(field.into(), values.iter().map(|v| (*v).into()).collect());
        for (text, expected) in [
            ("true", vec![vec![]]),
            ("false || false", vec![]),
            ("a.b == 'x'", vec![vec![one_of("a.b", &["x"])]]),
            ("\"x\" == a.b", vec![vec![one_of("a.b", &["x"])]]),
            (
                "a == 'x' && (b == 'y' || b == 'z')",
                vec![vec![one_of("a", &["x"]), one_of("b", &["y"])], vec![one_of("a", &["x"]), one_of("b", &["z"])]],
            ),
            ("a in ['x', \"y\"]", vec![vec![one_of("a", &["x", "y"])]]),
            ("'x' in a.b", vec![vec![Test::Holds("a.b".into(), "x".into())]]),
            ("a[\"b\"].startsWith(\"x\")", vec![vec![Test::Begins("a.b".into(), "x".into())]]),
            ("a != 'x'", vec![vec![Test::Other("`!=`".into())]]),
            ("!(a == 'x')", vec![vec![Test::Other("a negation".into())]]),
            ("size(args) > (3 + f([1])) && a == 'x'", vec![vec![Test::Other("`size(…)`".into()), one_of("a", &["x"])]]),
            (
                "a in b || a == 'x'",
                vec![vec![Test::Other("`in` with no list of strings".into())], vec![one_of("a", &["x"])]],
            ),
        ] {
            assert_eq!(alternatives(text), Ok(expected), "{text}");
        }
        let many = ["(a == 'x' || a == 'y')"; 10].join(" && ");
        for text in ["a ==", "f(a)", "a == 'x", "a == 'x' b", &"(".repeat(100), &many, "a in b", "#"] {
            let _ = alternatives(text)
                .map(|clauses| assert!(clauses.iter().flatten().any(|t| matches!(t, Test::Other(_))), "{text}"));
        }
        assert!(alternatives("a == 'x' || b == 'y' ? c : d").is_err());
        assert_eq!(alternatives("a == 'x' == false"), Ok(vec![vec![Test::Other("what follows a test".into())]]));
        assert!(alternatives(&many).unwrap_err().contains("alternatives"));
    }
}
