//! Walks the tree and writes the text.

use serde_json::{Map, Value};

use super::parse::{Base, Field, Node, Operand, Pipeline, Tree};
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

/// Fields that are lists, of which JSON may have none.
const LISTS: [&str; 9] =
    ["Aliases", "Cmd", "DNSNames", "Entrypoint", "Env", "ExecIDs", "Links", "OnBuild", "Shell"];

/// How deep templates with names may call one another.
const DEPTH_MAX: usize = 100;

/// How far `range` counts.
const ROUNDS_MAX: u64 = 1_000_000;

/// Where a loop goes on after a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    On,
    Break,
    Continue,
}

/// One filling-in of a template.
pub(super) struct Evaluation<'a> {
    tree: &'a Tree,
    method: Method<'a>,
    reading: Reading,
    /// Nothing in a template that was called with nothing.
    dot: Option<Value>,
    /// The innermost last; `$` is the first.
    variables: Vec<(String, Value)>,
    depth: usize,
    out: String,
}

impl<'a> Evaluation<'a> {
    pub(super) fn new(tree: &'a Tree, value: &Value, method: Method<'a>, reading: Reading) -> Self {
        let variables = vec![(String::new(), value.clone())];
        Self { tree, method, reading, dot: Some(value.clone()), variables, depth: 0, out: String::new() }
    }

    pub(super) fn run(mut self) -> Result<String> {
        self.block(&self.tree.nodes)?;
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
                    match value {
                        None => self.out.push_str(format::ABSENT),
                        Some(Value::Null) if is_list(pipeline) => self.out.push_str("[]"),
                        Some(value) => self.out.push_str(&format::show(&value)),
                    }
                }
                // A variable declared here lives to the end of the block.
                return Ok(Flow::On);
            }
            Node::If { condition, then, otherwise } => {
                let holds = truth(&self.value(condition)?);
                self.block(if holds { then } else { otherwise })?
            }
            Node::With { value, then, otherwise } => match self.value(value)? {
                value if truth(&value) => self.with_dot(Some(value), then)?,
                _ => self.block(otherwise)?,
            },
            Node::Range { over, body, otherwise } => self.range(over, body, otherwise)?,
            Node::Call { name, value, at } => {
                let value = value.as_ref().map(|value| self.value(value)).transpose()?;
                self.call(name, value).map_err(|error| error.at(*at))?
            }
            Node::Break => Flow::Break,
            Node::Continue => Flow::Continue,
        };
        self.variables.truncate(outer);
        Ok(flow)
    }

    fn with_dot(&mut self, dot: Option<Value>, nodes: &[Node]) -> Result<Flow> {
        let outer = std::mem::replace(&mut self.dot, dot);
        let flow = self.block(nodes);
        self.dot = outer;
        flow
    }

    /// Fills in a template that has a name; it sees no variables but `$`, which is what it is filled with.
    fn call(&mut self, name: &str, value: Option<Value>) -> Result<Flow> {
        let nodes = self.tree.named.get(name);
        let nodes = nodes.ok_or_else(|| Error::new(format!("there is no template \"{name}\"")))?;
        if self.depth == DEPTH_MAX {
            return Err(Error::new(format!("the template \"{name}\" fills itself in without end")));
        }
        let outer =
            std::mem::replace(&mut self.variables, vec![(String::new(), value.clone().unwrap_or_default())]);
        self.depth += 1;
        let flow = self.with_dot(value, nodes);
        self.depth -= 1;
        self.variables = outer;
        flow
    }

    fn range(&mut self, over: &Pipeline, body: &[Node], otherwise: &[Node]) -> Result<Flow> {
        let items = self.commands(over)?.unwrap_or_default();
        let items = self.items(items).map_err(|error| error.at(over.at))?;
        if items.is_empty() {
            return self.block(otherwise);
        }
        for (key, item) in items {
            let outer = self.variables.len();
            match over.keep.as_slice() {
                [] => {}
                [name] => self.keep(name, &item, over)?,
                [first, second, ..] => {
                    self.keep(first, &key, over)?;
                    self.keep(second, &item, over)?;
                }
            }
            let flow = self.with_dot(Some(item), body)?;
            self.variables.truncate(outer);
            if flow == Flow::Break {
                break;
            }
        }
        Ok(Flow::On)
    }

    /// Returns what a loop goes over, with keys.
    fn items(&self, over: Value) -> Result<Vec<(Value, Value)>> {
        Ok(match over {
            Value::Array(items) => {
                items.into_iter().enumerate().map(|(at, item)| (at.into(), item)).collect()
            }
            Value::Object(items) => items.into_iter().map(|(key, item)| (key.into(), item)).collect(),
            Value::Null => Vec::new(),
            Value::Number(count) if count.as_u64().is_some_and(|count| count <= ROUNDS_MAX) => {
                (0..count.as_u64().unwrap_or(0)).map(|at| (at.into(), at.into())).collect()
            }
            // A column that is a list has one head.
            Value::String(_) if self.reading == Reading::Heads => vec![(0.into(), over)],
            other => return Err(Error::new(format!("`range` cannot go over {}", format::quoted(&other)))),
        })
    }

    /// Evaluates a pipeline; what is absent counts as nothing.
    fn value(&mut self, pipeline: &Pipeline) -> Result<Value> {
        Ok(self.pipeline(pipeline)?.unwrap_or_default())
    }

    fn pipeline(&mut self, pipeline: &Pipeline) -> Result<Option<Value>> {
        let value = self.commands(pipeline)?;
        match pipeline.keep.as_slice() {
            [] => {}
            [name] => self.keep(name, &value.clone().unwrap_or_default(), pipeline)?,
            _ => return Err(Error::new("only `range` sets two variables").at(pipeline.at)),
        }
        Ok(value)
    }

    fn keep(&mut self, name: &str, value: &Value, pipeline: &Pipeline) -> Result<()> {
        if pipeline.declares {
            self.variables.push((name.to_owned(), value.clone()));
            return Ok(());
        }
        let known = self.variables.iter_mut().rev().find(|(known, _)| known == name);
        known.ok_or_else(|| no_variable(name).at(pipeline.at))?.1 = value.clone();
        Ok(())
    }

    fn commands(&mut self, pipeline: &Pipeline) -> Result<Option<Value>> {
        let mut last = None;
        for (index, command) in pipeline.commands.iter().enumerate() {
            let before = (index > 0).then(|| last.take().unwrap_or_default());
            let at = command.first().map_or(pipeline.at, |first| first.at);
            last = self.command(command, before).map_err(|error| error.at(at))?;
        }
        Ok(last)
    }

    /// Evaluates one command; the answer of the one before it is its last argument.
    fn command(&mut self, operands: &[Operand], last: Option<Value>) -> Result<Option<Value>> {
        let (first, rest) = operands.split_first().ok_or_else(|| Error::new("a value is missing"))?;
        let alone = rest.is_empty() && last.is_none();
        match &first.base {
            Base::Function(name) if matches!(name.as_str(), "and" | "or") => {
                self.logic(name == "and", rest, last).map(Some)
            }
            Base::Function(name) if first.fields.is_empty() => {
                let arguments = self.arguments(rest, last)?;
                functions::call(name, &arguments, self.reading).map(Some)
            }
            Base::Dot if first.fields.len() == 1 && !alone => {
                let arguments = self.arguments(rest, last)?;
                let name = &first.fields[0].name;
                let answer = (self.method)(name, &arguments);
                answer.map(Some).ok_or_else(|| Error::new(format!("`.{name}` takes no arguments")))
            }
            Base::Literal(Value::Null) if alone => Err(Error::new("`nil` alone is nothing to print")),
            _ if alone => self.operand(first),
            _ => Err(Error::new("a value that is no function was given arguments")),
        }
    }

    fn arguments(&mut self, operands: &[Operand], last: Option<Value>) -> Result<Vec<Value>> {
        let mut arguments =
            operands.iter().map(|operand| self.argument(operand)).collect::<Result<Vec<_>>>()?;
        arguments.extend(last);
        Ok(arguments)
    }

    /// Evaluates no more operands than decide the answer.
    fn logic(&mut self, all: bool, operands: &[Operand], last: Option<Value>) -> Result<Value> {
        let mut answer = None;
        for operand in operands {
            let value = self.argument(operand)?;
            if truth(&value) != all {
                return Ok(value);
            }
            answer = Some(value);
        }
        last.or(answer).ok_or_else(|| Error::new("`and` and `or` need arguments"))
    }

    fn argument(&mut self, operand: &Operand) -> Result<Value> {
        Ok(self.operand(operand)?.unwrap_or_default())
    }

    /// Evaluates an operand; nothing where a key is absent that need not be there.
    fn operand(&mut self, operand: &Operand) -> Result<Option<Value>> {
        let base = match &operand.base {
            Base::Dot => self.dot.clone(),
            Base::Variable(name) => {
                let known = self.variables.iter().rev().find(|(known, _)| known == name);
                Some(known.ok_or_else(|| no_variable(name).at(operand.at))?.1.clone())
            }
            Base::Literal(value) => Some(value.clone()),
            Base::Function(name) => {
                Some(functions::call(name, &[], self.reading).map_err(|error| error.at(operand.at))?)
            }
            Base::Inner(pipeline) => self.pipeline(pipeline)?,
        };
        let mut value = base;
        for (index, name) in operand.fields.iter().enumerate() {
            let parent = index.checked_sub(1).and_then(|index| operand.fields.get(index));
            value = field(value.unwrap_or_default(), name, parent)?;
        }
        Ok(value)
    }
}

/// Whether a pipeline is the field of a list.
fn is_list(pipeline: &Pipeline) -> bool {
    let operand = match pipeline.commands.as_slice() {
        [command] => command.last(),
        _ => None,
    };
    let last = operand.and_then(|operand| operand.fields.last());
    last.is_some_and(|last| LISTS.contains(&last.name.as_str()))
}

/// Returns a field of a value; nothing where a map has no such key.
fn field(value: Value, field: &Field, parent: Option<&Field>) -> Result<Option<Value>> {
    let Field { name, at } = field;
    match value {
        Value::Object(mut object) => match object.remove(name) {
            Some(value) => Ok(Some(value)),
            None if parent.is_some_and(|parent| MAPS.contains(&parent.name.as_str())) => Ok(None),
            None => Err(unknown_field(&object, name).at(*at)),
        },
        other => {
            let of = parent.map_or_else(|| "the value".to_owned(), |parent| format!("`.{}`", parent.name));
            Err(Error::new(format!("{of} is {} and has no field `{name}`", format::quoted(&other))).at(*at))
        }
    }
}

fn unknown_field(object: &Map<String, Value>, name: &str) -> Error {
    let error = Error::new(format!("there is no field `{name}`"));
    let mut known = object.keys().map(String::as_str);
    let near = known.clone().find(|known| known.eq_ignore_ascii_case(name));
    let near = near.or_else(|| crate::suggest::nearest(name, known.by_ref()));
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
