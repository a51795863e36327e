//! A JSON document as it came, with the line breaks that people read by: order and numbers stay.

/// Indents by three spaces, as Docker shows manifests.
pub(crate) fn document(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut shown = String::with_capacity(text.len() * 2);
    let (mut depth, mut in_string, mut escaped, mut is_open) = (0_usize, false, false, false);
    let line = |shown: &mut String, depth: usize| {
        shown.push('\n');
        shown.push_str(&"   ".repeat(depth));
    };
    for letter in text.chars() {
        if in_string {
            shown.push(letter);
            in_string = escaped || letter != '"';
            escaped = letter == '\\' && !escaped;
            continue;
        }
        if letter.is_whitespace() {
            continue;
        }
        let closes = matches!(letter, '}' | ']');
        if is_open && !closes {
            line(&mut shown, depth);
        }
        match letter {
            '{' | '[' => depth += 1,
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                if !is_open {
                    line(&mut shown, depth);
                }
            }
            '"' => in_string = true,
            _ => {}
        }
        is_open = matches!(letter, '{' | '[');
        shown.push(letter);
        match letter {
            ',' => line(&mut shown, depth),
            ':' => shown.push(' '),
            _ => {}
        }
    }
    shown.push('\n');
    shown
}

#[cfg(test)]
#[test]
fn order_and_text_stay() {
    let text = r#"{"z":1,"a":[{"b":"x, {\"y\": \\"}, []],"e":{}}"#;
    let expected = "{\n   \"z\": 1,\n   \"a\": [\n      {\n         \"b\": \"x, {\\\"y\\\": \\\\\"\n      },\n      []\n   ],\n   \"e\": {}\n}\n";
    assert_eq!(document(text.as_bytes()), expected);
    assert_eq!(document(expected.as_bytes()), expected);
}
