//! Evaluation, in a bounded number of steps.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::rc::Rc;

use super::expr::{Expr, Fact, Loop, LoopKind, Op};
use super::value::Value;
use super::{Facts, Fault, time};
use crate::mcp::Capability;

/// Evaluates an expression.
pub(super) fn evaluate<'d>(expr: &'d Expr, facts: &Facts<'d>) -> Result<Value<'d>, Fault> {
    Evaluation { facts, left: MAX_STEPS, locals: Vec::new() }.eval(expr)
}

/// One evaluation.
pub(super) struct Evaluation<'f, 'd> {
    facts: &'f Facts<'d>,
    /// Steps that may still be taken.
    left: usize,
    /// Variables of the macros that are evaluated, outermost first.
    locals: Vec<Value<'d>>,
}

type Outcome<'d> = Result<Value<'d>, Fault>;

impl<'d> Evaluation<'_, 'd> {
    /// Takes so many steps.
    pub(super) fn charge(&mut self, steps: usize) -> Result<(), Fault> {
        self.left = self.left.checked_sub(steps).ok_or(Fault::TooMuch)?;
        Ok(())
    }

    fn eval(&mut self, expr: &'d Expr) -> Outcome<'d> {
        self.charge(1)?;
        match expr {
            Expr::Const(constant) => Ok(Value::from_const(constant)),
            Expr::Fact(fact) => self.fact(*fact)?.ok_or(Fault::Missing),
            Expr::HasFact(fact) => Ok(Value::Bool(self.fact(*fact)?.is_some())),
            Expr::Local(place) => self.locals.get(*place).cloned().ok_or(Fault::Missing),
            Expr::Field(of, name) => self.field(of, name)?.ok_or(Fault::Missing),
            Expr::HasField(of, name) => Ok(Value::Bool(self.field(of, name)?.is_some())),
            Expr::Index(parts) => {
                let (of, index) = (self.eval(&parts.0)?, self.eval(&parts.1)?);
                self.index(&of, &index)
            }
            Expr::Not(operand) => match self.eval(operand)? {
                Value::Bool(holds) => Ok(Value::Bool(!holds)),
                _ => Err(Fault::Type),
            },
            Expr::Negate(operand) => match self.eval(operand)? {
                Value::Int(number) => number.checked_neg().map(Value::Int).ok_or(Fault::Range),
                Value::Double(number) => Ok(Value::Double(-number)),
                _ => Err(Fault::Type),
            },
            Expr::All(list) => self.junction(list, false),
            Expr::Any(list) => self.junction(list, true),
            Expr::Choose(parts) => {
                let [test, then, otherwise] = &**parts;
                match self.eval(test)? {
                    Value::Bool(true) => self.eval(then),
                    Value::Bool(false) => self.eval(otherwise),
                    _ => Err(Fault::Type),
                }
            }
            Expr::Binary(op, parts) => {
                let (left, right) = (self.eval(&parts.0)?, self.eval(&parts.1)?);
                self.binary(*op, left, right)
            }
            Expr::Call(function, args) => {
                let args = args.iter().map(|arg| self.eval(arg)).collect::<Result<Vec<_>, _>>()?;
                function.call(&args, self)
            }
            Expr::Matches(of, regex) => match self.eval(of)? {
                Value::Str(text) if text.len() <= MAX_MATCHED => {
                    self.charge(text.len() / 4)?;
                    Ok(Value::Bool(regex.is_match(&text)))
                }
                Value::Str(_) => Err(Fault::TooMuch),
                _ => Err(Fault::Type),
            },
            Expr::List(list) => {
                let items = list.iter().map(|item| self.eval(item)).collect::<Result<Vec<_>, _>>()?;
                Ok(Value::List(items.into()))
            }
            Expr::Map(entries) => self.map(entries),
            Expr::Loop(one) => self.each(one),
        }
    }

    /// `&&` and `||`: what decides wins over errors, wherever it stands (langdef, "Logical Operators").
    fn junction(&mut self, list: &'d [Expr], decisive: bool) -> Outcome<'d> {
        let mut fault = None;
        for operand in list {
            match self.eval(operand) {
                Ok(Value::Bool(holds)) if holds == decisive => return Ok(Value::Bool(decisive)),
                Ok(Value::Bool(_)) => {}
                Ok(_) => fault = fault.or(Some(Fault::Type)),
                // Nothing is left to look at the others with.
                Err(Fault::TooMuch) => return Err(Fault::TooMuch),
                Err(error) => fault = fault.or(Some(error)),
            }
        }
        fault.map_or(Ok(Value::Bool(!decisive)), Err)
    }

    fn field(&mut self, of: &'d Expr, name: &'d str) -> Result<Option<Value<'d>>, Fault> {
        let of = self.eval(of)?;
        of.entry(&Value::Str(Cow::Borrowed(name)), self)
    }

    fn index(&mut self, of: &Value<'d>, index: &Value<'d>) -> Outcome<'d> {
        if !of.is_list() {
            return of.entry(index, self)?.ok_or(Fault::Missing);
        }
        let place = match index {
            Value::Int(place) => usize::try_from(*place).map_err(|_| Fault::Missing)?,
            Value::Uint(place) => usize::try_from(*place).map_err(|_| Fault::Missing)?,
            Value::Double(place) if *place >= 0.0 && place.fract() == 0.0 && *place < 1e9 => *place as usize,
            Value::Double(_) => return Err(Fault::Missing),
            _ => return Err(Fault::Type),
        };
        self.charge(place.min(of.length().unwrap_or(0)))?;
        of.element(place)
    }

    fn map(&mut self, entries: &'d [(Expr, Expr)]) -> Outcome<'d> {
        let mut made: Vec<(Value<'d>, Value<'d>)> = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let key = self.eval(key)?;
            if !matches!(key, Value::Bool(_) | Value::Int(_) | Value::Uint(_) | Value::Str(_)) {
                return Err(Fault::Type);
            }
            for (known, _) in &made {
                if known.equals(&key, self)? {
                    return Err(Fault::Ambiguous);
                }
            }
            let value = self.eval(value)?;
            made.push((key, value));
        }
        Ok(Value::Map(made.into()))
    }

    fn binary(&mut self, op: Op, left: Value<'d>, right: Value<'d>) -> Outcome<'d> {
        let ordered =
            |holds: fn(Ordering) -> bool| left.compare(&right).map(|ordering| Value::Bool(ordering.is_some_and(holds)));
        match op {
            Op::Equal => left.equals(&right, self).map(Value::Bool),
            Op::NotEqual => left.equals(&right, self).map(|equal| Value::Bool(!equal)),
            Op::Less => ordered(Ordering::is_lt),
            Op::LessOrEqual => ordered(Ordering::is_le),
            Op::Greater => ordered(Ordering::is_gt),
            Op::GreaterOrEqual => ordered(Ordering::is_ge),
            Op::In => self.is_in(&left, &right).map(Value::Bool),
            Op::Add | Op::Subtract | Op::Multiply | Op::Divide | Op::Remainder => self.arithmetic(op, left, right),
        }
    }

    fn is_in(&mut self, item: &Value<'d>, of: &Value<'d>) -> Result<bool, Fault> {
        if !of.is_list() {
            return Ok(of.entry(item, self)?.is_some());
        }
        for one in of.items(self)? {
            if one.equals(item, self)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn arithmetic(&mut self, op: Op, left: Value<'d>, right: Value<'d>) -> Outcome<'d> {
        let time = |time: Option<i64>| time.and_then(time::in_range).map(Value::Time).ok_or(Fault::Range);
        let span = |span: Option<i64>| span.and_then(time::span_in_range).map(Value::Span).ok_or(Fault::Range);
        match (left, right) {
            (Value::Int(one), Value::Int(two)) => {
                let result = match op {
                    Op::Add => one.checked_add(two),
                    Op::Subtract => one.checked_sub(two),
                    Op::Multiply => one.checked_mul(two),
                    Op::Divide => one.checked_div(two),
                    _ => one.checked_rem(two),
                };
                result.map(Value::Int).ok_or(Fault::Range)
            }
            (Value::Uint(one), Value::Uint(two)) => {
                let result = match op {
                    Op::Add => one.checked_add(two),
                    Op::Subtract => one.checked_sub(two),
                    Op::Multiply => one.checked_mul(two),
                    Op::Divide => one.checked_div(two),
                    _ => one.checked_rem(two),
                };
                result.map(Value::Uint).ok_or(Fault::Range)
            }
            (Value::Double(one), Value::Double(two)) => match op {
                Op::Add => Ok(Value::Double(one + two)),
                Op::Subtract => Ok(Value::Double(one - two)),
                Op::Multiply => Ok(Value::Double(one * two)),
                Op::Divide => Ok(Value::Double(one / two)),
                _ => Err(Fault::Type),
            },
            (Value::Str(one), Value::Str(two)) if op == Op::Add => {
                self.charge(one.len() + two.len())?;
                Ok(Value::Str(Cow::Owned(one.into_owned() + &two)))
            }
            (Value::Bytes(one), Value::Bytes(two)) if op == Op::Add => {
                self.charge(one.len() + two.len())?;
                Ok(Value::Bytes([&*one, &*two].concat().into()))
            }
            (Value::Time(one), Value::Span(two)) if op == Op::Add => time(one.checked_add(two)),
            (Value::Span(one), Value::Time(two)) if op == Op::Add => time(one.checked_add(two)),
            (Value::Time(one), Value::Span(two)) if op == Op::Subtract => time(one.checked_sub(two)),
            (Value::Time(one), Value::Time(two)) if op == Op::Subtract => span(one.checked_sub(two)),
            (Value::Span(one), Value::Span(two)) if op == Op::Add => span(one.checked_add(two)),
            (Value::Span(one), Value::Span(two)) if op == Op::Subtract => span(one.checked_sub(two)),
            (one, two) if op == Op::Add && one.is_list() && two.is_list() => {
                let mut items = one.items(self)?;
                items.extend(two.items(self)?);
                Ok(Value::List(items.into()))
            }
            _ => Err(Fault::Type),
        }
    }

    fn each(&mut self, one: &'d Loop) -> Outcome<'d> {
        let over = self.eval(&one.over)?;
        let mut made = Vec::new();
        let mut hits = 0_usize;
        let mut fault = None;
        for item in over.items(self)? {
            self.locals.push(item.clone());
            let outcome = self.turn(one);
            self.locals.pop();
            match (one.kind, outcome) {
                (_, Err(Fault::TooMuch)) => return Err(Fault::TooMuch),
                // As with `&&` and `||`: what decides wins over errors.
                (LoopKind::All | LoopKind::Exists, Err(error)) => fault = fault.or(Some(error)),
                (LoopKind::ExistsOne | LoopKind::Collect, Err(error)) => return Err(error),
                (LoopKind::All, Ok((false, _))) => return Ok(Value::Bool(false)),
                (LoopKind::Exists, Ok((true, _))) => return Ok(Value::Bool(true)),
                (LoopKind::ExistsOne, Ok((holds, _))) => hits += usize::from(holds),
                (LoopKind::Collect, Ok((true, value))) => made.push(value.unwrap_or(item)),
                (_, Ok(_)) => {}
            }
        }
        if let Some(fault) = fault {
            return Err(fault);
        }
        Ok(match one.kind {
            LoopKind::All => Value::Bool(true),
            LoopKind::Exists => Value::Bool(false),
            LoopKind::ExistsOne => Value::Bool(hits == 1),
            LoopKind::Collect => Value::List(made.into()),
        })
    }

    /// One turn of a macro: whether its condition holds, and what it makes.
    fn turn(&mut self, one: &'d Loop) -> Result<(bool, Option<Value<'d>>), Fault> {
        if let Some(test) = &one.test {
            match self.eval(test)? {
                Value::Bool(true) => {}
                Value::Bool(false) => return Ok((false, None)),
                _ => return Err(Fault::Type),
            }
        }
        match &one.make {
            Some(make) => Ok((true, Some(self.eval(make)?))),
            None => Ok((true, None)),
        }
    }

    /// What is known; `Ok(None)` for what is not there.
    fn fact(&mut self, fact: Fact) -> Result<Option<Value<'d>>, Fault> {
        let facts = self.facts;
        let text = |text: &'d str| Some(Value::Str(Cow::Borrowed(text)));
        let named = |capability: Capability| facts.name.filter(|_| facts.capability == capability).and_then(text);
        let principal = facts.principal;
        Ok(match fact {
            Fact::Args => match facts.arguments {
                Some(arguments) => Some(Value::from_json(arguments)?),
                // No arguments are arguments without members.
                None => Some(Value::Map(Rc::from([]))),
            },
            Fact::Environment => text(facts.environment),
            Fact::Now => {
                let now = facts.moment.now_us.ok_or(Fault::Unknown)?;
                Some(Value::Time(i64::try_from(now).map_err(|_| Fault::Range)?))
            }
            Fact::Method => text(facts.method),
            Fact::Capability => text(facts.capability.as_str()),
            Fact::Name => facts.name.and_then(text),
            Fact::Tool => named(Capability::Tool),
            Fact::Resource => named(Capability::Resource),
            Fact::Prompt => named(Capability::Prompt),
            Fact::Id if principal.is_anonymous() => None,
            Fact::Id => text(&principal.id),
            Fact::Kind => principal.kind.and_then(|kind| text(kind.as_str())),
            Fact::Tenant => principal.tenant.as_deref().and_then(text),
            Fact::Agent => principal.agent.as_deref().and_then(text),
            Fact::Roles => Some(strings(principal.roles.iter().map(String::as_str))),
            Fact::Teams => Some(strings(principal.teams.iter().map(String::as_str))),
            Fact::Session => facts.moment.session.ok_or(Fault::Unknown)?.and_then(text),
            Fact::Taint => {
                let now_us = facts.moment.now_us.ok_or(Fault::Unknown)?;
                let labels = facts.moment.taint.and_then(|taint| taint.labels(now_us)).ok_or(Fault::Unknown)?;
                Some(Value::List(labels.iter().map(|label| Value::Str(Cow::Owned(label.to_string()))).collect()))
            }
            Fact::Server => text(facts.server),
        })
    }
}

fn strings<'d>(texts: impl Iterator<Item = &'d str>) -> Value<'d> {
    Value::List(texts.map(|text| Value::Str(Cow::Borrowed(text))).collect())
}

/// Most steps of one evaluation: some milliseconds.
const MAX_STEPS: usize = 200_000;
/// Longest text that is matched against a regular expression, in bytes.
const MAX_MATCHED: usize = 64 << 10;
