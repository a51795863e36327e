//! Progress as JSON, a line a change, in the form of BuildKit's `SolveStatus`: vertexes are steps, `data` and `short` are
//! base64.

use std::collections::BTreeMap;
use std::sync::Mutex;

use engine::build::{BuildEvent, Progress, step_digest};
use serde_json::{Map, Value, json};

use super::Display;
use super::base64::encode;
use crate::output;

/// Standard output and standard error of a step come through one pipe.
const STREAM: u8 = 1;

/// Prints one object for each event.
#[derive(Debug, Default)]
pub(crate) struct Raw(Mutex<BTreeMap<usize, Vertex>>);

#[derive(Debug, Clone)]
struct Vertex {
    digest: String,
    name: String,
    started: String,
}

impl Vertex {
    /// How it is told while it runs, with what has come.
    fn with(&self, more: Value) -> Value {
        let mut vertex = json!({ "digest": self.digest, "name": self.name, "started": self.started });
        if let (Value::Object(vertex), Value::Object(more)) = (&mut vertex, more) {
            vertex.extend(more);
        }
        json!({ "vertexes": [vertex] })
    }
}

impl Raw {
    fn object(&self, event: BuildEvent<'_>, now: &str) -> Value {
        let mut vertices = self.0.lock().expect("no holder panics");
        let known = |number: usize| vertices.get(&number).cloned();
        let ended = |number: usize, more: Value| {
            known(number).map_or_else(|| Value::Object(Map::new()), |vertex| vertex.with(more))
        };
        match event {
            BuildEvent::Warning(text) | BuildEvent::Note(text) => {
                json!({ "warnings": [{ "level": 1, "short": encode(text.as_bytes()) }] })
            }
            BuildEvent::Begun { number, title } => {
                let digest = step_digest(number, title);
                let vertex = Vertex { digest, name: title.to_owned(), started: now.to_owned() };
                vertices.insert(number, vertex.clone());
                vertex.with(json!({}))
            }
            BuildEvent::Cached { number } => ended(number, json!({ "completed": now, "cached": true })),
            BuildEvent::Output { number, line } => {
                let data = encode(&[line, b"\n"].concat());
                let digest = known(number).map(|vertex| vertex.digest).unwrap_or_default();
                json!({ "logs": [{ "vertex": digest, "stream": STREAM, "data": data, "timestamp": now }] })
            }
            BuildEvent::Done { number, .. } => ended(number, json!({ "completed": now })),
            BuildEvent::Failed { number, text } => ended(number, json!({ "completed": now, "error": text })),
        }
    }
}

impl Progress for Raw {
    fn tell(&self, event: BuildEvent<'_>) {
        let object = self.object(event, &jiff::Timestamp::now().to_string());
        output::stderr(&format!("{object}\n"));
    }
}

impl Display for Raw {}

#[cfg(test)]
#[test]
fn steps_in_the_form_of_buildkit() {
    let raw = Raw::default();
    let told = |event| raw.object(event, "2026-01-02T03:04:05Z").to_string();
    let begun = told(BuildEvent::Begun { number: 1, title: "[a 1/1] RUN x" });
    let digest = step_digest(1, "[a 1/1] RUN x");
    let vertex =
        format!(r#"{{"digest":"{digest}","name":"[a 1/1] RUN x","started":"2026-01-02T03:04:05Z"}}"#);
    assert_eq!(begun, format!(r#"{{"vertexes":[{vertex}]}}"#));
    assert_eq!(
        told(BuildEvent::Output { number: 1, line: b"hi" }),
        format!(
            r#"{{"logs":[{{"data":"aGkK","stream":1,"timestamp":"2026-01-02T03:04:05Z","vertex":"{digest}"}}]}}"#
        )
    );
    let failed = told(BuildEvent::Failed { number: 1, text: "no" });
    assert!(
        failed.contains(r#""completed":"2026-01-02T03:04:05Z""#) && failed.contains(r#""error":"no""#),
        "{failed}"
    );
    assert!(told(BuildEvent::Cached { number: 1 }).contains(r#""cached":true"#));
    assert_eq!(told(BuildEvent::Warning("w")), r#"{"warnings":[{"level":1,"short":"dw=="}]}"#);
}
