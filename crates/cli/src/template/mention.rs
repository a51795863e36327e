//! What a template asks of its value, told without filling it in.

use super::parse::{Base, Node, Operand, Pipeline, Tree};

/// Whether a template asks for a field of its value, or takes the value as a whole.
pub(super) fn mentions(tree: &Tree, field: &str) -> bool {
    let search = Search { field };
    // Named templates may be filled with the value.
    tree.named.values().chain([&tree.nodes]).any(|nodes| search.nodes(nodes, Dot::Value))
}

/// What `.` stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dot {
    Value,
    /// Something of it.
    Part,
}

struct Search<'a> {
    field: &'a str,
}

impl Search<'_> {
    fn nodes(&self, nodes: &[Node], dot: Dot) -> bool {
        nodes.iter().any(|node| self.node(node, dot))
    }

    fn node(&self, node: &Node, dot: Dot) -> bool {
        match node {
            Node::Text(_) | Node::Break | Node::Continue => false,
            Node::Print(pipeline) => self.pipeline(pipeline, dot),
            Node::If { condition, then, otherwise } => {
                self.pipeline(condition, dot) || self.nodes(then, dot) || self.nodes(otherwise, dot)
            }
            Node::With { value: head, then: body, otherwise }
            | Node::Range { over: head, body, otherwise } => {
                self.pipeline(head, dot) || self.nodes(body, Dot::Part) || self.nodes(otherwise, dot)
            }
            // What is done with the dot there is looked at there.
            Node::Call { value: Some(value), .. } => !is_dot(value) && self.pipeline(value, dot),
            Node::Call { value: None, .. } => false,
        }
    }

    fn pipeline(&self, pipeline: &Pipeline, dot: Dot) -> bool {
        pipeline.commands.iter().flatten().any(|operand| self.operand(operand, dot))
    }

    fn operand(&self, operand: &Operand, dot: Dot) -> bool {
        let of_value = match &operand.base {
            Base::Dot => dot == Dot::Value,
            Base::Variable(name) => name.is_empty(),
            Base::Inner(pipeline) => return self.pipeline(pipeline, dot),
            Base::Literal(_) | Base::Function(_) => false,
        };
        of_value && operand.fields.first().is_none_or(|first| first.name == self.field)
    }
}

fn is_dot(pipeline: &Pipeline) -> bool {
    match pipeline.commands.as_slice() {
        [command] => matches!(command.as_slice(), [dot] if is_bare_dot(dot)),
        _ => false,
    }
}

fn is_bare_dot(operand: &Operand) -> bool {
    operand.base == Base::Dot && operand.fields.is_empty()
}

/// Whether a template is `{{json .}}`.
pub(super) fn is_json(tree: &Tree) -> bool {
    let [Node::Print(Pipeline { keep, commands, .. })] = tree.nodes.as_slice() else { return false };
    let is_json = |operand: &Operand| operand.base == Base::Function("json".to_owned());
    let is_call = |command: &Vec<Operand>| matches!(command.as_slice(), [json, dot] if is_json(json) && is_bare_dot(dot));
    keep.is_empty() && matches!(commands.as_slice(), [command] if is_call(command))
}
