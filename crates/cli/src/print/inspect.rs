//! Objects as JSON documents.

use serde::Serialize;
use serde_json::ser::{PrettyFormatter, Serializer};

use crate::grammar::format::Format;
use crate::template;

/// Returns the text of `inspect`: an array with Docker's indent, or a line for each object.
pub fn inspect(objects: &[serde_json::Value], format: &Format) -> template::Result<String> {
    match format {
        Format::Text | Format::Raw => Ok(indented(objects)),
        // As with Docker, `json` is the same array without blanks; `{{json .}}` gives lines.
        Format::Json => Ok(format!("{}\n", serde_json::Value::from(objects))),
        Format::Template(template) | Format::Table(template) => {
            objects.iter().map(|object| Ok(template.render(object)? + "\n")).collect()
        }
    }
}

fn indented(objects: &[serde_json::Value]) -> String {
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
    let shown = |objects: &[serde_json::Value], format: &str| {
        inspect(objects, &crate::grammar::format::parse(format).unwrap()).unwrap()
    };
    assert_eq!(shown(std::slice::from_ref(&object), ""), text);
    assert_eq!(shown(&[], ""), "[]\n");
    let both = [object.clone(), object];
    assert_eq!(shown(&both, "json"), "[{\"Args\":[],\"Id\":\"a\"},{\"Args\":[],\"Id\":\"a\"}]\n");
    assert_eq!(shown(&both, "{{json .}}"), "{\"Args\":[],\"Id\":\"a\"}\n".repeat(2));
    assert_eq!(shown(&both, "{{.Id}} {{len .Args}}"), "a 0\na 0\n");
}
