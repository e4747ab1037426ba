//! Fields and conditions from their text.

use crate::ast::{Comparison, Expr, Field, Node, Operator, Query, Span};
use crate::error::Mistake;
use crate::formats::format;
use crate::tokens::{Token, split};
use crate::type_names::{begins_type, type_name};

/// Nesting beyond which nobody writes.
const DEPTH: u32 = 64;
/// Members, elements, operators and stars of one expression at most: what reads it
/// later calls itself for each.
const STEPS: u32 = 256;

/// Reads `FIELD… [if CONDITION]`.
pub fn parse(text: &str) -> Result<Query, Mistake> {
    let mut parser = Parser::new(text)?;
    let mut query = Query::default();
    while !parser.ended() {
        if parser.name_is("if") {
            parser.at += 1;
            parser.steps = 0;
            let condition = parser.expression(0)?;
            if !parser.ended() {
                return Err(parser.unexpected("the condition ends here; fields stand before it"));
            }
            query.condition = Some(condition);
            break;
        }
        query.fields.push(parser.field()?);
        if (0..3).any(|level| parser.operator(level).is_some()) {
            return Err(parser.unexpected("conditions stand behind if, as in: if ret < 0"));
        }
        parser.take(",");
    }
    Ok(query)
}

/// Reads one field.
pub fn parse_field(text: &str) -> Result<Field, Mistake> {
    let mut parser = Parser::new(text)?;
    let field = parser.field()?;
    if parser.ended() { Ok(field) } else { Err(parser.unexpected("one field was expected")) }
}

/// Tokens, and how far they have been read.
pub struct Parser<'a> {
    text: &'a str,
    tokens: Vec<(Token, Span)>,
    /// The next one.
    pub at: usize,
    depth: u32,
    steps: u32,
}

impl<'a> Parser<'a> {
    /// At the beginning of a text.
    pub fn new(text: &'a str) -> Result<Self, Mistake> {
        Ok(Self { text, tokens: split(text)?, at: 0, depth: 0, steps: 0 })
    }

    /// Whether nothing is left.
    pub fn ended(&self) -> bool {
        self.at >= self.tokens.len()
    }

    /// The token so many behind the next.
    pub fn peek(&self, ahead: usize) -> Option<&Token> {
        self.tokens.get(self.at + ahead).map(|(token, _)| token)
    }

    /// Where the next token stands; behind the end an empty place.
    pub fn span(&self) -> Span {
        let end = self.text.len();
        self.tokens.get(self.at).map_or(end..end, |(_, span)| span.clone())
    }

    fn end_of_last(&self) -> usize {
        let last = self.at.checked_sub(1).and_then(|at| self.tokens.get(at));
        last.map_or(0, |(_, span)| span.end)
    }

    /// A mistake at the next token.
    pub fn unexpected(&self, text: &str) -> Mistake {
        Mistake::new(self.span(), text)
    }

    /// Counts a part of the expression, which the next token is.
    pub fn step(&mut self) -> Result<(), Mistake> {
        self.steps += 1;
        if self.steps > STEPS {
            return Err(self.unexpected("this is too long: from here on nothing is read"));
        }
        Ok(())
    }

    /// Whether the next token is this name.
    pub fn name_is(&self, name: &str) -> bool {
        matches!(self.peek(0), Some(Token::Name(n)) if n == name)
    }

    /// Whether a token is this sign.
    pub fn sign_is(&self, ahead: usize, sign: &str) -> bool {
        matches!(self.peek(ahead), Some(Token::Sign(s)) if *s == sign)
    }

    /// Takes a sign, if it is the next token.
    pub fn take(&mut self, sign: &str) -> bool {
        let is = self.sign_is(0, sign);
        self.at += usize::from(is);
        is
    }

    /// Takes a sign that must come.
    pub fn expect(&mut self, sign: &str) -> Result<(), Mistake> {
        if self.take(sign) { Ok(()) } else { Err(self.unexpected(&format!("{sign} is missing"))) }
    }

    /// Takes a name that must come.
    pub fn name(&mut self, what: &str) -> Result<String, Mistake> {
        let Some(Token::Name(name)) = self.peek(0) else {
            return Err(self.unexpected(&format!("{what} is missing")));
        };
        let name = name.clone();
        self.at += 1;
        Ok(name)
    }

    /// Takes a number that must come.
    pub fn number(&mut self) -> Result<u32, Mistake> {
        let value = match self.peek(0) {
            Some(Token::Number(value)) => u32::try_from(*value).ok(),
            _ => None,
        };
        let value = value.ok_or_else(|| self.unexpected("a number is missing"))?;
        self.at += 1;
        Ok(value)
    }

    fn field(&mut self) -> Result<Field, Mistake> {
        self.steps = 0;
        let expr = self.unary()?;
        let label = self.text.get(expr.span.clone()).unwrap_or_default().to_owned();
        let format = if self.take(":") { Some(format(self)?) } else { None };
        Ok(Field { expr, format, label })
    }

    /// `level` 0: `||`, 1: `&&`, 2: comparisons, 3: `&`.
    fn expression(&mut self, level: u32) -> Result<Expr, Mistake> {
        if level > 3 {
            return self.unary();
        }
        let mut left = self.expression(level + 1)?;
        while let Some(operator) = self.operator(level) {
            self.step()?;
            self.at += 1;
            let right = self.expression(level + 1)?;
            let span = left.span.start..right.span.end;
            let node = Node::Binary(operator, Box::new(left), Box::new(right));
            left = Expr { node, span };
        }
        Ok(left)
    }

    fn operator(&self, level: u32) -> Option<Operator> {
        use Comparison::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};
        let Some(Token::Sign(sign)) = self.peek(0) else { return None };
        let (of_level, operator) = match *sign {
            "||" => (0, Operator::Or),
            "&&" => (1, Operator::And),
            "==" => (2, Operator::Compare(Equal)),
            "!=" => (2, Operator::Compare(NotEqual)),
            "<" => (2, Operator::Compare(Less)),
            "<=" => (2, Operator::Compare(LessOrEqual)),
            ">" => (2, Operator::Compare(Greater)),
            ">=" => (2, Operator::Compare(GreaterOrEqual)),
            "&" => (3, Operator::Mask),
            _ => return None,
        };
        (of_level == level).then_some(operator)
    }

    fn unary(&mut self) -> Result<Expr, Mistake> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(self.unexpected("this is nested too deeply"));
        }
        let done = self.unary_inner();
        self.depth -= 1;
        done
    }

    fn unary_inner(&mut self) -> Result<Expr, Mistake> {
        let start = self.span().start;
        let of = |node, this: &Self| Expr { node, span: start..this.end_of_last() };
        if self.take("!") {
            let inner = Box::new(self.unary()?);
            return Ok(of(Node::Not(inner), self));
        }
        if self.take("*") {
            let inner = Box::new(self.unary()?);
            return Ok(of(Node::Deref(inner), self));
        }
        if self.take("&") {
            let inner = Box::new(self.unary()?);
            return Ok(of(Node::Address(inner), self));
        }
        if self.sign_is(0, "-")
            && let Some(Token::Number(value)) = self.peek(1)
        {
            let value = -*value;
            self.at += 2;
            return Ok(of(Node::Number(value), self));
        }
        if self.sign_is(0, "-")
            && let Some(Token::Name(name)) = self.peek(1)
        {
            // -EPERM: the names of errors have their sign
            let name = format!("-{name}");
            self.at += 2;
            return Ok(of(Node::Name(name), self));
        }
        if self.sign_is(0, "(") && begins_type(self, 1) {
            self.at += 1;
            let to = type_name(self)?;
            self.expect(")")?;
            let inner = Box::new(self.unary()?);
            return Ok(of(Node::Cast(to, inner), self));
        }
        self.postfix()
    }

    fn postfix(&mut self) -> Result<Expr, Mistake> {
        let start = self.span().start;
        let mut expr = self.primary()?;
        loop {
            if [".", "->", "["].iter().any(|sign| self.sign_is(0, sign)) {
                self.step()?;
            }
            let node = if self.take(".") || self.take("->") {
                Node::Member(Box::new(expr), self.name("a member's name")?)
            } else if self.take("[") {
                let from = self.number()?;
                let slice = if self.take("..") { Some(self.number()?) } else { None };
                self.expect("]")?;
                match slice {
                    Some(to) => Node::Slice(Box::new(expr), from, to),
                    None => Node::Index(Box::new(expr), from),
                }
            } else {
                return Ok(expr);
            };
            expr = Expr { node, span: start..self.end_of_last() };
        }
    }

    fn primary(&mut self) -> Result<Expr, Mistake> {
        let span = self.span();
        let Some(token) = self.peek(0).cloned() else {
            return Err(self.unexpected("something is missing here"));
        };
        self.at += 1;
        let node = match token {
            Token::Name(name) if name == "container_of" && self.sign_is(0, "(") => {
                return self.container(span.start);
            }
            Token::Name(name) => Node::Name(name),
            Token::Register(name) => Node::Register(name),
            Token::Number(value) => Node::Number(value),
            Token::Text(text) => Node::Text(text),
            Token::Sign("(") => {
                let inner = self.expression(0)?;
                self.expect(")")?;
                return Ok(Expr { node: inner.node, span: span.start..self.end_of_last() });
            }
            Token::Sign(sign) => {
                return Err(Mistake::new(span, format!("a name was expected, not {sign}")));
            }
        };
        Ok(Expr { node, span })
    }

    fn container(&mut self, start: usize) -> Result<Expr, Mistake> {
        self.expect("(")?;
        let inner = Box::new(self.unary()?);
        self.expect(",")?;
        let of = type_name(self)?;
        self.expect(",")?;
        let mut path = vec![self.name("a member's name")?];
        while self.take(".") {
            self.step()?;
            path.push(self.name("a member's name")?);
        }
        self.expect(")")?;
        let span = start..self.end_of_last();
        Ok(Expr { node: Node::Container(inner, of, path), span })
    }
}
