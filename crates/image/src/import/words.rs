//! Words of a Dockerfile instruction: quotes, backslashes and variables.

/// Splits at blanks outside quotes; quotes and backslashes stay for [`expand`].
pub(super) fn split(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match (letter, quote) {
            ('\\', None | Some('"')) => {
                word.push(letter);
                word.extend(letters.next());
                continue;
            }
            (_, Some(open)) if letter == open => quote = None,
            ('"' | '\'', None) => quote = Some(letter),
            (blank, None) if blank.is_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                continue;
            }
            _ => {}
        }
        word.push(letter);
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// Takes quotes and backslashes away and replaces `$name`, `${name}`, `${name:-default}` and
/// `${name:+other}`.
pub(super) fn expand(text: &str, env: &[String]) -> Result<String, String> {
    let mut expanded = String::new();
    let mut rest = text.chars().peekable();
    let mut quote = None;
    while let Some(letter) = rest.next() {
        match (letter, quote) {
            ('\\', None) => expanded.extend(rest.next()),
            ('\\', Some('"')) => match rest.next() {
                Some(escaped @ ('"' | '\\' | '$')) => expanded.push(escaped),
                other => {
                    expanded.push('\\');
                    expanded.extend(other);
                }
            },
            (_, Some(open)) if letter == open => quote = None,
            ('"' | '\'', None) => quote = Some(letter),
            ('$', None | Some('"')) => expanded.push_str(&variable(&mut rest, env)?),
            _ => expanded.push(letter),
        }
    }
    match quote {
        Some(quote) => Err(format!("quote {quote} is not closed")),
        None => Ok(expanded),
    }
}

fn variable(rest: &mut std::iter::Peekable<std::str::Chars<'_>>, env: &[String]) -> Result<String, String> {
    let is_name = |letter: &char| letter.is_ascii_alphanumeric() || *letter == '_';
    let value = |name: &str| {
        let entry = env.iter().rev().find_map(|entry| entry.strip_prefix(name)?.strip_prefix('='));
        entry.map(str::to_owned)
    };
    if rest.peek() != Some(&'{') {
        let mut name = String::new();
        while let Some(letter) = rest.next_if(is_name) {
            name.push(letter);
        }
        return Ok(if name.is_empty() { "$".to_owned() } else { value(&name).unwrap_or_default() });
    }
    rest.next();
    let inside: String = rest.by_ref().take_while(|letter| *letter != '}').collect();
    let end = inside.find(|letter: char| !is_name(&letter)).unwrap_or(inside.len());
    let (name, modifier) = inside.split_at(end);
    let found = value(name);
    let set = found.as_deref().is_some_and(|value| !value.is_empty());
    match modifier.get(..2) {
        _ if name.is_empty() => Err(format!("bad substitution `${{{inside}}}`")),
        None if modifier.is_empty() => Ok(found.unwrap_or_default()),
        Some(":-") => Ok(if set { found.unwrap_or_default() } else { modifier[2..].to_owned() }),
        Some(":+") => Ok(if set { modifier[2..].to_owned() } else { String::new() }),
        _ => Err(format!("bad substitution `${{{inside}}}`")),
    }
}
