//! An instruction in one line, for progress.

/// Joins lines and takes doubled blanks away outside of quotes.
pub(super) fn title(original: &str) -> String {
    let mut title = String::with_capacity(original.len());
    let mut quote = None;
    for letter in original.trim().chars() {
        match quote {
            None if letter == '\'' || letter == '"' => quote = Some(letter),
            Some(open) if letter == open => quote = None,
            None if letter.is_whitespace() => {
                if !title.ends_with(' ') {
                    title.push(' ');
                }
                continue;
            }
            _ => {}
        }
        title.push(letter);
    }
    title
}

#[cfg(test)]
mod tests {
    #[test]
    fn blanks_are_joined() {
        assert_eq!(super::title(" RUN  a &&   b 'c  d'\n"), "RUN a && b 'c  d'");
    }
}
