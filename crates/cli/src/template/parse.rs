//! Pieces → a tree of what to do.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::vec::IntoIter;

use serde_json::Value;

use super::lex::{Piece, Placed, Token};
use super::{Error, Result, functions};

/// What to do, and the templates in it that have names.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Tree {
    pub(super) nodes: Vec<Node>,
    pub(super) named: BTreeMap<String, Vec<Node>>,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Text(String),
    Print(Pipeline),
    If {
        condition: Pipeline,
        then: Vec<Node>,
        otherwise: Vec<Node>,
    },
    With {
        value: Pipeline,
        then: Vec<Node>,
        otherwise: Vec<Node>,
    },
    Range {
        over: Pipeline,
        body: Vec<Node>,
        otherwise: Vec<Node>,
    },
    /// Fill in a template that has a name.
    Call {
        name: String,
        value: Option<Pipeline>,
        at: usize,
    },
    Break,
    Continue,
}

/// Commands, each given the answer of the one before; perhaps kept in variables.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pipeline {
    pub(super) keep: Vec<String>,
    /// Whether the variables are new ones.
    pub(super) declares: bool,
    pub(super) commands: Vec<Vec<Operand>>,
    pub(super) at: usize,
}

/// A value and the fields that are taken of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Operand {
    pub(super) base: Base,
    pub(super) fields: Vec<Field>,
    pub(super) at: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) at: usize,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Base {
    Dot,
    Variable(String),
    Literal(Value),
    Function(String),
    Inner(Pipeline),
}

/// Reads all pieces.
pub(super) fn parse(pieces: Vec<Piece>) -> Result<Tree> {
    let mut parser = Parser { pieces: pieces.into_iter(), depth: 0, loops: 0, named: BTreeMap::new() };
    match parser.block()? {
        (nodes, Closing::EndOfText) => Ok(Tree { nodes, named: parser.named }),
        (_, Closing::End(at)) => Err(Error::new("an `end` closes nothing").at(at)),
        (_, Closing::Else(at, _)) => {
            Err(Error::new("an `else` stands outside of `if`, `with` and `range`").at(at))
        }
    }
}

/// What ended a block, and where.
enum Closing {
    EndOfText,
    End(usize),
    /// With the words behind it: none, or those of an `else if`.
    Else(usize, Vec<Placed>),
}

struct Parser {
    pieces: IntoIter<Piece>,
    /// How many blocks stand around.
    depth: usize,
    /// How many of them are `range`.
    loops: usize,
    named: BTreeMap<String, Vec<Node>>,
}

impl Parser {
    fn block(&mut self) -> Result<(Vec<Node>, Closing)> {
        let mut nodes = Vec::new();
        while let Some(piece) = self.pieces.next() {
            let mut tokens = match piece {
                Piece::Text(text) => {
                    nodes.push(Node::Text(text));
                    continue;
                }
                Piece::Action(tokens) => tokens,
            };
            let at = tokens.first().map_or(0, |first| first.at);
            let word = match tokens.first().map(|first| &first.token) {
                Some(Token::Word(word)) => word.clone(),
                _ => String::new(),
            };
            let rest = |tokens: &mut Vec<Placed>| tokens.split_off(1);
            match word.as_str() {
                "end" => return Ok((nodes, Closing::End(at))),
                "else" => return Ok((nodes, Closing::Else(at, rest(&mut tokens)))),
                "if" | "with" | "range" => nodes.push(self.branch(&word, at, rest(&mut tokens))?),
                "break" | "continue" if self.loops == 0 => {
                    return Err(Error::new(format!("`{word}` stands outside of `range`")).at(at));
                }
                "break" => nodes.push(Node::Break),
                "continue" => nodes.push(Node::Continue),
                "define" | "block" => nodes.extend(self.define(&word, at, rest(&mut tokens))?),
                "template" => {
                    let (name, value) = name_and_value(&word, at, rest(&mut tokens))?;
                    nodes.push(Node::Call { name, value, at });
                }
                _ => nodes.push(Node::Print(pipeline(tokens, at)?)),
            }
        }
        Ok((nodes, Closing::EndOfText))
    }

    fn inner_block(&mut self, loops: usize) -> Result<(Vec<Node>, Closing)> {
        let outside = (self.depth, self.loops);
        (self.depth, self.loops) = (self.depth + 1, loops);
        let block = self.block();
        (self.depth, self.loops) = outside;
        block
    }

    fn branch(&mut self, word: &str, at: usize, tokens: Vec<Placed>) -> Result<Node> {
        let head = pipeline(tokens, at)?;
        let (then, closing) = self.inner_block(self.loops + usize::from(word == "range"))?;
        let otherwise = match closing {
            Closing::End(_) => Vec::new(),
            Closing::EndOfText => return Err(not_closed(word, at)),
            Closing::Else(_, tokens) => self.otherwise(word, at, tokens)?,
        };
        Ok(match word {
            "if" => Node::If { condition: head, then, otherwise },
            "with" => Node::With { value: head, then, otherwise },
            _ => Node::Range { over: head, body: then, otherwise },
        })
    }

    /// Reads what follows an `else`; an `else if` takes the `end` of the whole.
    fn otherwise(&mut self, word: &str, opened: usize, mut tokens: Vec<Placed>) -> Result<Vec<Node>> {
        if tokens.is_empty() {
            return match self.inner_block(self.loops)? {
                (nodes, Closing::End(_)) => Ok(nodes),
                (_, Closing::EndOfText) => Err(not_closed(word, opened)),
                (_, Closing::Else(at, _)) => Err(Error::new(format!("`{word}` has two `else`")).at(at)),
            };
        }
        let Placed { token: again, at } = tokens.remove(0);
        match (&again, word) {
            (Token::Word(again), "if" | "with") if again == word => Ok(vec![self.branch(word, at, tokens)?]),
            _ => {
                let text = format!("an `else` of `{word}` is followed by what does not belong there");
                Err(Error::new(text).at(at))
            }
        }
    }

    /// Reads a template with a name; `block` fills it in where it stands, too.
    fn define(&mut self, word: &str, at: usize, tokens: Vec<Placed>) -> Result<Option<Node>> {
        if word == "define" && self.depth > 0 {
            return Err(Error::new("a `define` stands inside of another block").at(at));
        }
        let (name, value) = name_and_value(word, at, tokens)?;
        if (word == "block") != value.is_some() {
            let text = if word == "block" { "`block` needs a value" } else { "`define` takes a name alone" };
            return Err(Error::new(text).at(at));
        }
        match self.inner_block(0)? {
            (nodes, Closing::End(_)) => {
                self.named.insert(name.clone(), nodes);
                Ok((word == "block").then_some(Node::Call { name, value, at }))
            }
            (_, Closing::EndOfText) => Err(not_closed(word, at)),
            (_, Closing::Else(at, _)) => Err(Error::new(format!("an `else` stands in `{word}`")).at(at)),
        }
    }
}

/// Reads a name, and the value that a template is filled with where there is one.
fn name_and_value(word: &str, at: usize, mut tokens: Vec<Placed>) -> Result<(String, Option<Pipeline>)> {
    let value = tokens.split_off(tokens.len().min(1));
    match tokens.pop() {
        Some(Placed { token: Token::Text(name), .. }) => match value.is_empty() {
            true => Ok((name, None)),
            false => Ok((name, Some(pipeline(value, at)?))),
        },
        _ => Err(Error::new(format!("`{word}` needs a name in quotes")).at(at)),
    }
}

fn not_closed(word: &str, at: usize) -> Error {
    Error::new(format!("`{word}` is not closed")).at(at).hint("close it with `{{end}}`")
}

fn pipeline(tokens: Vec<Placed>, at: usize) -> Result<Pipeline> {
    let mut words = tokens.into_iter().peekable();
    let pipeline = commands(&mut words, at)?;
    match words.next() {
        None => Ok(pipeline),
        Some(Placed { at, .. }) => Err(Error::new("a `)` closes nothing").at(at)),
    }
}

type Words = Peekable<IntoIter<Placed>>;

/// Reads up to the end or to a closing bracket.
fn commands(words: &mut Words, opened: usize) -> Result<Pipeline> {
    let missing = |at: usize| Error::new("a value is missing").at(at);
    let at = words.peek().ok_or_else(|| missing(opened))?.at;
    let (keep, declares) = kept(words)?;
    let mut commands = vec![Vec::new()];
    let mut last = at;
    while let Some(Placed { token, at }) = words.next_if(|placed| placed.token != Token::Close) {
        last = at;
        let command = commands.last_mut().expect("starts with one");
        match token {
            Token::Pipe if command.is_empty() => {
                return Err(Error::new("a `|` has nothing before it").at(at));
            }
            Token::Pipe => commands.push(Vec::new()),
            Token::Link(name) => {
                let operand: &mut Operand =
                    command.last_mut().expect("a link stands right behind an operand");
                operand.fields.push(Field { name, at });
            }
            token => command.push(operand(token, at, words)?),
        }
    }
    if commands.last().is_some_and(Vec::is_empty) {
        return Err(missing(last));
    }
    Ok(Pipeline { keep, declares, commands, at })
}

fn operand(token: Token, at: usize, words: &mut Words) -> Result<Operand> {
    let mut fields = Vec::new();
    let base = match token {
        Token::Field(name) => {
            fields.push(Field { name, at });
            Base::Dot
        }
        Token::Dot => Base::Dot,
        Token::Variable(name) => Base::Variable(name),
        Token::Text(text) => Base::Literal(Value::String(text)),
        Token::Number(number) => Base::Literal(Value::Number(number)),
        Token::Word(word) => match constant(&word) {
            Some(literal) => literal,
            None => {
                functions::exists(&word).map_err(|error| error.at(at))?;
                Base::Function(word)
            }
        },
        Token::Open => {
            let inner = commands(words, at)?;
            if words.next().is_none_or(|placed| placed.token != Token::Close) {
                return Err(Error::new("a `(` is not closed").at(at));
            }
            Base::Inner(inner)
        }
        Token::Comma | Token::Declare | Token::Assign | Token::Close | Token::Pipe | Token::Link(_) => {
            return Err(Error::new("a `,`, `=` or `:=` stands where a value should be").at(at));
        }
    };
    Ok(Operand { base, fields, at })
}

/// Reads `$a, $b :=` or `$a =` where that is what the words begin with.
fn kept(words: &mut Words) -> Result<(Vec<String>, bool)> {
    let at = words.peek().map_or(0, |first| first.at);
    let ahead: Vec<Token> = words.clone().take(4).map(|placed| placed.token).collect();
    let (names, sign) = match ahead.as_slice() {
        [Token::Variable(a), sign @ (Token::Declare | Token::Assign), ..] => (vec![a.clone()], sign),
        [Token::Variable(a), Token::Comma, Token::Variable(b), sign @ (Token::Declare | Token::Assign)] => {
            (vec![a.clone(), b.clone()], sign)
        }
        _ => return Ok((Vec::new(), false)),
    };
    words.nth(names.len() * 2 - 1);
    if names.iter().any(String::is_empty) {
        return Err(Error::new("`$` itself cannot be set").at(at));
    }
    Ok((names, *sign == Token::Declare))
}

fn constant(word: &str) -> Option<Base> {
    match word {
        "true" => Some(Base::Literal(Value::Bool(true))),
        "false" => Some(Base::Literal(Value::Bool(false))),
        "nil" => Some(Base::Literal(Value::Null)),
        _ => None,
    }
}
