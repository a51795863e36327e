//! Pieces → a tree of what to do.

use std::iter::Peekable;
use std::vec::IntoIter;

use serde_json::Value;

use super::lex::{Piece, Token};
use super::{Error, Result, functions};

/// One thing to do.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Text(String),
    Print(Pipeline),
    If { condition: Pipeline, then: Vec<Node>, otherwise: Vec<Node> },
    With { value: Pipeline, then: Vec<Node>, otherwise: Vec<Node> },
    Range { over: Pipeline, body: Vec<Node>, otherwise: Vec<Node> },
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
}

/// A value and the fields that are taken of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Operand {
    pub(super) base: Base,
    pub(super) fields: Vec<String>,
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
pub(super) fn parse(pieces: Vec<Piece>) -> Result<Vec<Node>> {
    let mut parser = Parser { pieces: pieces.into_iter(), loops: 0 };
    match parser.block()? {
        (nodes, Closing::EndOfText) => Ok(nodes),
        (_, Closing::End) => Err(Error::new("an `end` closes nothing")),
        (_, Closing::Else(_)) => Err(Error::new("an `else` stands outside of `if`, `with` and `range`")),
    }
}

/// What ended a block.
enum Closing {
    EndOfText,
    End,
    /// With the words behind it: none, or those of an `else if`.
    Else(Vec<Token>),
}

struct Parser {
    pieces: IntoIter<Piece>,
    /// How many `range` stand around.
    loops: usize,
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
            let word = match tokens.first() {
                Some(Token::Word(word)) => word.clone(),
                _ => String::new(),
            };
            let rest = |tokens: &mut Vec<Token>| tokens.split_off(1);
            match word.as_str() {
                "end" => return Ok((nodes, Closing::End)),
                "else" => return Ok((nodes, Closing::Else(rest(&mut tokens)))),
                "if" | "with" | "range" => nodes.push(self.branch(&word, rest(&mut tokens))?),
                "break" | "continue" if self.loops == 0 => {
                    return Err(Error::new(format!("`{word}` stands outside of `range`")));
                }
                "break" => nodes.push(Node::Break),
                "continue" => nodes.push(Node::Continue),
                "define" | "template" | "block" => {
                    return Err(Error::new(format!(
                        "`{word}` is not supported: templates have no names here"
                    )));
                }
                _ => nodes.push(Node::Print(pipeline(tokens)?)),
            }
        }
        Ok((nodes, Closing::EndOfText))
    }

    fn branch(&mut self, word: &str, tokens: Vec<Token>) -> Result<Node> {
        let head = pipeline(tokens)?;
        let looping = usize::from(word == "range");
        self.loops += looping;
        let body = self.block();
        self.loops -= looping;
        let (then, closing) = body?;
        let otherwise = match closing {
            Closing::End => Vec::new(),
            Closing::EndOfText => return Err(not_closed(word)),
            Closing::Else(tokens) => self.otherwise(word, tokens)?,
        };
        Ok(match word {
            "if" => Node::If { condition: head, then, otherwise },
            "with" => Node::With { value: head, then, otherwise },
            _ => Node::Range { over: head, body: then, otherwise },
        })
    }

    /// Reads what follows an `else`; an `else if` takes the `end` of the whole.
    fn otherwise(&mut self, word: &str, mut tokens: Vec<Token>) -> Result<Vec<Node>> {
        if tokens.is_empty() {
            return match self.block()? {
                (nodes, Closing::End) => Ok(nodes),
                (_, Closing::EndOfText) => Err(not_closed(word)),
                (_, Closing::Else(_)) => Err(Error::new(format!("`{word}` has two `else`"))),
            };
        }
        let again = tokens.remove(0);
        match (&again, word) {
            (Token::Word(again), "if" | "with") if again == word => Ok(vec![self.branch(word, tokens)?]),
            _ => Err(Error::new(format!("an `else` of `{word}` is followed by what does not belong there"))),
        }
    }
}

fn not_closed(word: &str) -> Error {
    Error::new(format!("`{word}` is not closed")).hint("close it with `{{end}}`")
}

fn pipeline(tokens: Vec<Token>) -> Result<Pipeline> {
    let mut words = tokens.into_iter().peekable();
    let pipeline = commands(&mut words)?;
    match words.next() {
        None => Ok(pipeline),
        Some(_) => Err(Error::new("a `)` closes nothing")),
    }
}

type Words = Peekable<IntoIter<Token>>;

/// Reads up to the end or to a closing bracket.
fn commands(words: &mut Words) -> Result<Pipeline> {
    let (keep, declares) = kept(words)?;
    let mut commands = vec![Vec::new()];
    while let Some(token) = words.next_if(|token| *token != Token::Close) {
        let command = commands.last_mut().expect("starts with one");
        let base = match token {
            Token::Pipe if command.is_empty() => return Err(Error::new("a `|` has nothing before it")),
            Token::Pipe => {
                commands.push(Vec::new());
                continue;
            }
            Token::Dot => Base::Dot,
            Token::Variable(name) => Base::Variable(name),
            Token::Text(text) => Base::Literal(Value::String(text)),
            Token::Number(number) => Base::Literal(Value::Number(number)),
            Token::Word(word) => match constant(&word) {
                Some(literal) => literal,
                None => {
                    functions::exists(&word)?;
                    Base::Function(word)
                }
            },
            Token::Field(name) => {
                command.push(Operand { base: Base::Dot, fields: vec![name] });
                continue;
            }
            Token::Link(name) => {
                let operand = command.last_mut().expect("a link stands right behind an operand");
                operand.fields.push(name);
                continue;
            }
            Token::Open => {
                let inner = self::commands(words)?;
                if words.next() != Some(Token::Close) {
                    return Err(Error::new("a `(` is not closed"));
                }
                Base::Inner(inner)
            }
            Token::Comma | Token::Declare | Token::Assign | Token::Close => {
                return Err(Error::new("a `,`, `=` or `:=` stands where a value should be"));
            }
        };
        command.push(Operand { base, fields: Vec::new() });
    }
    if commands.last().is_some_and(Vec::is_empty) {
        return Err(Error::new("a value is missing"));
    }
    Ok(Pipeline { keep, declares, commands })
}

/// Reads `$a, $b :=` or `$a =` where that is what the words begin with.
fn kept(words: &mut Words) -> Result<(Vec<String>, bool)> {
    let ahead: Vec<Token> = words.clone().take(4).collect();
    let (names, sign) = match ahead.as_slice() {
        [Token::Variable(a), sign @ (Token::Declare | Token::Assign), ..] => (vec![a.clone()], sign),
        [Token::Variable(a), Token::Comma, Token::Variable(b), sign @ (Token::Declare | Token::Assign)] => {
            (vec![a.clone(), b.clone()], sign)
        }
        _ => return Ok((Vec::new(), false)),
    };
    words.nth(names.len() * 2 - 1);
    if names.iter().any(String::is_empty) {
        return Err(Error::new("`$` itself cannot be set"));
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
