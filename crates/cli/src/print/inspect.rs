//! Objects as JSON documents.

use serde::Serialize;
use serde_json::ser::{PrettyFormatter, Serializer};

use crate::grammar::format::Format;

/// Returns the text of `inspect`: an array with Docker's indent, or one object a line.
pub fn inspect(objects: &[serde_json::Value], format: Format) -> String {
    if format == Format::Json {
        return super::json_lines(objects.iter().cloned());
    }
    let mut bytes = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut bytes, PrettyFormatter::with_indent(b"    "));
    objects.serialize(&mut serializer).expect("a vector takes every byte and the keys are text");
    bytes.push(b'\n');
    String::from_utf8(bytes).expect("JSON is text")
}

#[cfg(test)]
#[test]
fn documents() {
    let object = serde_json::json!({"Id": "a", "Args": []});
    let text = "[\n    {\n        \"Args\": [],\n        \"Id\": \"a\"\n    }\n]\n";
    assert_eq!(inspect(std::slice::from_ref(&object), Format::Text), text);
    assert_eq!(inspect(&[], Format::Text), "[]\n");
    assert_eq!(inspect(&[object.clone(), object], Format::Json), "{\"Args\":[],\"Id\":\"a\"}\n".repeat(2));
}
