//! One pattern: `*`, `?`, classes, escapes, and `**` for any number of directories.

/// A parsed pattern.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    text: String,
    form: Form,
}

#[derive(Debug, Clone)]
enum Form {
    Exact,
    /// `dir/**`: what begins with it.
    Starts(String),
    /// `**/name`: what ends with it.
    Ends(String),
    Elements(Vec<Element>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Element {
    Letter(char),
    /// `?`: any letter but `/`.
    One,
    /// `*`: any letters but `/`.
    Any,
    /// `**/` inside: any number of directories, each with its `/`.
    Directories,
    /// What stands behind may be left out.
    Optional,
    /// `**` at the end: everything.
    Everything,
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Pattern {
    /// Parses a cleaned pattern; `None` if Go's `filepath.Match` takes it for malformed.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let elements = elements(text)?;
        // Escapes are gone from the elements, so that their text is not the pattern's.
        let are_plain = |elements: &[Element]| {
            !text.contains('\\') && elements.iter().all(|element| matches!(element, Element::Letter(_)))
        };
        let form = match &*elements {
            elements if are_plain(elements) => Form::Exact,
            [Element::Optional, Element::Directories, rest @ ..] | [Element::Everything, rest @ ..]
                if are_plain(rest) =>
            {
                Form::Ends(text.trim_start_matches('*').to_owned())
            }
            [start @ .., Element::Everything] if are_plain(start) => {
                Form::Starts(text.trim_end_matches('/').strip_suffix("**")?.to_owned())
            }
            _ => Form::Elements(elements),
        };
        Some(Self { text: text.to_owned(), form })
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn matches(&self, path: &str) -> bool {
        match &self.form {
            Form::Exact => path == self.text,
            Form::Starts(start) => path.starts_with(&**start),
            Form::Ends(end) => path.ends_with(&**end) || end.strip_prefix('/') == Some(path),
            Form::Elements(elements) => match_elements(elements, path),
        }
    }
}

fn elements(text: &str) -> Option<Vec<Element>> {
    let mut elements = Vec::new();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let element = match letter {
            '*' if letters.next_if_eq(&'*').is_some() => {
                letters.next_if_eq(&'/');
                if letters.peek().is_none() {
                    Element::Everything
                } else {
                    elements.push(Element::Optional);
                    Element::Directories
                }
            }
            '*' => Element::Any,
            '?' => Element::One,
            '\\' => Element::Letter(letters.next()?),
            '[' => class(&mut letters)?,
            letter => Element::Letter(letter),
        };
        elements.push(element);
    }
    Some(elements)
}

/// Reads a class up to its closing bracket: `[^a-z]`.
fn class(letters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<Element> {
    let negated = letters.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    loop {
        if letters.next_if_eq(&']').is_some() {
            return (!ranges.is_empty()).then_some(Element::Class { negated, ranges });
        }
        let low = class_letter(letters)?;
        let high = if letters.next_if_eq(&'-').is_some() { class_letter(letters)? } else { low };
        ranges.push((low, high));
    }
}

fn class_letter(letters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<char> {
    match letters.next()? {
        '\\' => letters.next(),
        '-' | ']' => None,
        letter => Some(letter),
    }
}

/// Walks all ways through the elements at once, so that no pattern takes more than its length times the path's.
fn match_elements(elements: &[Element], path: &str) -> bool {
    let last = elements.len();
    let mut states = vec![false; last + 1];
    states[0] = true;
    close(elements, &mut states);
    for letter in path.chars() {
        let mut next = vec![false; last + 1];
        for (state, element) in elements.iter().enumerate().filter(|(state, _)| states[*state]) {
            match element {
                Element::Letter(wanted) => next[state + 1] |= *wanted == letter,
                Element::One => next[state + 1] |= letter != '/',
                Element::Any => next[state] |= letter != '/',
                Element::Everything => next[state] = true,
                Element::Directories => {
                    next[state] = true;
                    next[state + 1] |= letter == '/';
                }
                Element::Optional => {}
                Element::Class { negated, ranges } => {
                    let inside = ranges.iter().any(|(low, high)| (*low..=*high).contains(&letter));
                    next[state + 1] |= inside != *negated;
                }
            }
        }
        close(elements, &mut next);
        states = next;
    }
    states[last]
}

/// Goes past what may match nothing.
fn close(elements: &[Element], states: &mut [bool]) {
    for (state, element) in elements.iter().enumerate().filter(|(_, element)| element.may_be_nothing()) {
        if states[state] {
            states[state + 1] = true;
            // What is optional is the one element behind.
            if *element == Element::Optional {
                states[state + 2] = true;
            }
        }
    }
}

impl Element {
    fn may_be_nothing(&self) -> bool {
        matches!(self, Self::Any | Self::Everything | Self::Optional)
    }
}
