//! Walks the tree and writes the text.

use serde_json::{Map, Value};

use super::parse::{Base, Node, Operand, Pipeline};
use super::{Error, Method, Result, format, functions};

/// Whether the value is data, or the heads of a table's columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    Values,
    Heads,
}

/// Objects that hold what users put there: a key that is absent is no mistake.
const MAPS: [&str; 8] =
    ["Attributes", "Labels", "Networks", "Ports", "ExposedPorts", "Volumes", "Sysctls", "Tmpfs"];

/// Where a loop goes on after a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    On,
    Break,
    Continue,
}

/// One filling-in of a template.
pub(super) struct Evaluation<'a> {
    method: Method<'a>,
    reading: Reading,
    dot: Value,
    /// The innermost last; `$` is the first.
    variables: Vec<(String, Value)>,
    out: String,
}

impl<'a> Evaluation<'a> {
    pub(super) fn new(value: &Value, method: Method<'a>, reading: Reading) -> Self {
        let variables = vec![(String::new(), value.clone())];
        Self { method, reading, dot: value.clone(), variables, out: String::new() }
    }

    pub(super) fn run(mut self, nodes: &[Node]) -> Result<String> {
        self.block(nodes)?;
        Ok(self.out)
    }

    /// Walks nodes; their variables end with them.
    fn block(&mut self, nodes: &[Node]) -> Result<Flow> {
        let outer = self.variables.len();
        let mut flow = Flow::On;
        for node in nodes {
            flow = self.node(node)?;
            if flow != Flow::On {
                break;
            }
        }
        self.variables.truncate(outer);
        Ok(flow)
    }

    fn node(&mut self, node: &Node) -> Result<Flow> {
        let outer = self.variables.len();
        let flow = match node {
            Node::Text(text) => {
                self.out.push_str(text);
                Flow::On
            }
            Node::Print(pipeline) => {
                let value = self.pipeline(pipeline)?;
                if pipeline.keep.is_empty() {
                    self.out.push_str(&format::show(&value));
                }
                // A variable declared here lives to the end of the block.
                return Ok(Flow::On);
            }
            Node::If { condition, then, otherwise } => {
                let holds = truth(&self.pipeline(condition)?);
                self.block(if holds { then } else { otherwise })?
            }
            Node::With { value, then, otherwise } => match self.pipeline(value)? {
                value if truth(&value) => self.with_dot(value, then)?,
                _ => self.block(otherwise)?,
            },
            Node::Range { over, body, otherwise } => self.range(over, body, otherwise)?,
            Node::Break => Flow::Break,
            Node::Continue => Flow::Continue,
        };
        self.variables.truncate(outer);
        Ok(flow)
    }

    fn with_dot(&mut self, dot: Value, nodes: &[Node]) -> Result<Flow> {
        let outer = std::mem::replace(&mut self.dot, dot);
        let flow = self.block(nodes);
        self.dot = outer;
        flow
    }

    fn range(&mut self, over: &Pipeline, body: &[Node], otherwise: &[Node]) -> Result<Flow> {
        let items: Vec<(Value, Value)> = match self.commands(over)? {
            Value::Array(items) => {
                items.into_iter().enumerate().map(|(at, item)| (at.into(), item)).collect()
            }
            Value::Object(items) => items.into_iter().map(|(key, item)| (key.into(), item)).collect(),
            Value::Null => Vec::new(),
            other => return Err(Error::new(format!("`range` cannot go over {}", format::quoted(&other)))),
        };
        if items.is_empty() {
            return self.block(otherwise);
        }
        for (key, item) in items {
            let outer = self.variables.len();
            match over.keep.as_slice() {
                [] => {}
                [name] => self.keep(name, &item, over.declares)?,
                [first, second, ..] => {
                    self.keep(first, &key, over.declares)?;
                    self.keep(second, &item, over.declares)?;
                }
            }
            let flow = self.with_dot(item, body)?;
            self.variables.truncate(outer);
            if flow == Flow::Break {
                break;
            }
        }
        Ok(Flow::On)
    }

    fn pipeline(&mut self, pipeline: &Pipeline) -> Result<Value> {
        let value = self.commands(pipeline)?;
        match pipeline.keep.as_slice() {
            [] => {}
            [name] => self.keep(name, &value, pipeline.declares)?,
            _ => return Err(Error::new("only `range` sets two variables")),
        }
        Ok(value)
    }

    fn keep(&mut self, name: &str, value: &Value, declares: bool) -> Result<()> {
        if declares {
            self.variables.push((name.to_owned(), value.clone()));
            return Ok(());
        }
        let known = self.variables.iter_mut().rev().find(|(known, _)| known == name);
        known.ok_or_else(|| no_variable(name))?.1 = value.clone();
        Ok(())
    }

    fn commands(&mut self, pipeline: &Pipeline) -> Result<Value> {
        let mut last = None;
        for command in &pipeline.commands {
            last = Some(self.command(command, last)?);
        }
        last.ok_or_else(|| Error::new("a value is missing"))
    }

    /// Evaluates one command; the answer of the one before it is its last argument.
    fn command(&mut self, operands: &[Operand], last: Option<Value>) -> Result<Value> {
        let (first, rest) = operands.split_first().ok_or_else(|| Error::new("a value is missing"))?;
        match &first.base {
            Base::Function(name) if matches!(name.as_str(), "and" | "or") => {
                self.logic(name == "and", rest, last)
            }
            Base::Function(name) if first.fields.is_empty() => {
                let arguments = self.arguments(rest, last)?;
                functions::call(name, &arguments, self.reading)
            }
            Base::Dot if first.fields.len() == 1 && (!rest.is_empty() || last.is_some()) => {
                let arguments = self.arguments(rest, last)?;
                (self.method)(&first.fields[0], &arguments)
                    .ok_or_else(|| Error::new(format!("`.{}` takes no arguments", first.fields[0])))
            }
            _ if rest.is_empty() && last.is_none() => self.operand(first),
            _ => Err(Error::new("a value that is no function was given arguments")),
        }
    }

    fn arguments(&mut self, operands: &[Operand], last: Option<Value>) -> Result<Vec<Value>> {
        let mut arguments =
            operands.iter().map(|operand| self.operand(operand)).collect::<Result<Vec<_>>>()?;
        arguments.extend(last);
        Ok(arguments)
    }

    /// Evaluates no more operands than decide the answer.
    fn logic(&mut self, all: bool, operands: &[Operand], last: Option<Value>) -> Result<Value> {
        let mut answer = None;
        for operand in operands {
            let value = self.operand(operand)?;
            if truth(&value) != all {
                return Ok(value);
            }
            answer = Some(value);
        }
        last.or(answer).ok_or_else(|| Error::new("`and` and `or` need arguments"))
    }

    fn operand(&mut self, operand: &Operand) -> Result<Value> {
        let base = match &operand.base {
            Base::Dot => self.dot.clone(),
            Base::Variable(name) => {
                let known = self.variables.iter().rev().find(|(known, _)| known == name);
                known.ok_or_else(|| no_variable(name))?.1.clone()
            }
            Base::Literal(value) => value.clone(),
            Base::Function(name) => functions::call(name, &[], self.reading)?,
            Base::Inner(pipeline) => self.pipeline(pipeline)?,
        };
        let mut value = base;
        for (at, name) in operand.fields.iter().enumerate() {
            let parent = at.checked_sub(1).and_then(|at| operand.fields.get(at));
            value = field(value, name, parent.map(String::as_str))?;
        }
        Ok(value)
    }
}

fn field(value: Value, name: &str, parent: Option<&str>) -> Result<Value> {
    match value {
        Value::Object(mut object) => match object.remove(name) {
            Some(value) => Ok(value),
            None if parent.is_some_and(|parent| MAPS.contains(&parent)) => Ok(Value::Null),
            None => Err(unknown_field(&object, name)),
        },
        other => {
            let of = parent.map_or_else(|| "the value".to_owned(), |parent| format!("`.{parent}`"));
            Err(Error::new(format!("{of} is {} and has no field `{name}`", format::quoted(&other))))
        }
    }
}

fn unknown_field(object: &Map<String, Value>, name: &str) -> Error {
    let error = Error::new(format!("there is no field `{name}`"));
    let near = object.keys().find(|known| known.eq_ignore_ascii_case(name));
    match near {
        Some(near) => error.hint(format!("did you mean .{near}?")),
        None => error.hint(format!("there are: {}", object.keys().cloned().collect::<Vec<_>>().join(", "))),
    }
}

fn no_variable(name: &str) -> Error {
    Error::new(format!("there is no variable `${name}`"))
}

/// Whether a value counts as true: it is neither false nor empty.
pub(super) fn truth(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(yes) => *yes,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(items) => !items.is_empty(),
    }
}
