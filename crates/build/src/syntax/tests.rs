//! Statements of odd texts.

use super::*;

/// One line a statement: keyword, flags, arguments, heredocs.
fn statements(text: &str) -> String {
    let script = parse_script(&Source::new("Dockerfile", text));
    let mut shown: Vec<String> = script
        .statements
        .iter()
        .map(|statement| {
            let flags: Vec<&str> = statement.flags.iter().map(|flag| &*flag.word.text).collect();
            let mut line = format!("{} {flags:?} {:?}", statement.keyword.text, statement.arguments.as_str());
            for heredoc in &statement.heredocs {
                line += &format!(
                    " <<{} {} {:?}",
                    heredoc.name,
                    if heredoc.expand { "$" } else { "-" },
                    heredoc.content
                );
            }
            line
        })
        .collect();
    shown.extend(script.warnings.iter().map(|warning| warning.text.clone()));
    shown.extend(script.faults.iter().map(|fault| format!("error: {}", fault.text)));
    shown.join("\n")
}

#[test]
fn lines_are_joined_and_comments_dropped() {
    insta::assert_snapshot!(
        statements("# c\nFROM a\n\n  run x && \\\n  # inside\n\ty \\  \n\n z\nCMD a\\\\\nUSER b\\"),
        @r#"
    FROM [] "a"
    run [] "x && \ty  z"
    CMD [] "a\\\\"
    USER [] "b"
    Empty continuation line
    "#
    );
}

#[test]
fn carriage_returns_are_line_ends() {
    insta::assert_snapshot!(statements("FROM a\r\nRUN x \\\r\n  y\r\n"), @r#"
    FROM [] "a"
    RUN [] "x   y"
    "#);
}

#[test]
fn the_escape_directive_changes_the_continuation() {
    insta::assert_snapshot!(statements("# syntax=docker/dockerfile:1\n# escape=`\nFROM a\nRUN a `\n b\nRUN c \\\nUSER d"), @r#"
    FROM [] "a"
    RUN [] "a  b"
    RUN [] "c \\"
    USER [] "d"
    "#);
    insta::assert_snapshot!(statements("#escape=x\nFROM a"), @"error: invalid escape character `x`");
    insta::assert_snapshot!(statements("#escape=\\\n#Escape=`\nFROM a"), @"error: only one `escape` parser directive can be used");
    // Behind anything else it is a comment.
    insta::assert_snapshot!(statements("# hello\n# escape=`\nFROM a\\\n b"), @r#"FROM [] "a b""#);
}

#[test]
fn flags_stand_in_front() {
    insta::assert_snapshot!(
        statements("RUN --mount=type=cache,target=/x --a='b c' --d\\ e x --no-flag\nCOPY -- --a b\nCMD --x"),
        @r#"
    RUN ["--mount=type=cache,target=/x", "--a=b c", "--d e"] "x --no-flag"
    COPY [] "--a b"
    CMD ["--x"] ""
    "#
    );
}

#[test]
fn heredocs_are_read() {
    insta::assert_snapshot!(
        statements("RUN <<EOF\na $x\n # no comment\nEOF\nCOPY <<-\"one\" <<two /d/\n\t\tx\n\tone\ny\ntwo\nENV a=<<b\nONBUILD RUN <<E\nz\nE\nRUN cat <<< x 3<<F\nq\r\nF\r\n"),
        @r#"
    RUN [] "<<EOF" <<EOF $ "a $x\n # no comment\n"
    COPY [] "<<-\"one\" <<two /d/" <<one - "x\n" <<two $ "y\n"
    ENV [] "a=<<b"
    ONBUILD [] "RUN <<E" <<E $ "z\n"
    RUN [] "cat <<< x 3<<F" <<F $ "q\r\n"
    "#
    );
    insta::assert_snapshot!(statements("RUN <<EOF\nx"), @r#"
    RUN [] "<<EOF"
    error: heredoc `<<EOF` is not closed
    "#);
}

#[test]
fn nothing_is_not_enough() {
    insta::assert_snapshot!(statements("# only\n\n"), @"error: the Dockerfile holds no instructions");
    insta::assert_snapshot!(statements("\u{feff}FROM a"), @r#"FROM [] "a""#);
}

#[test]
fn words_keep_their_quotes() {
    let words = |text: &str| {
        let mut line = Text::default();
        line.push(text, 0);
        words_of(&line, '\\').into_iter().map(|word| word.text).collect::<Vec<_>>()
    };
    assert_eq!(words(r#"a="b c" d='e "f' g\ h="#), [r#"a="b c""#, r#"d='e "f'"#, r"g\ h="]);
    assert_eq!(words("a b\\"), ["a", "b"]);
    assert_eq!(words(r#""open  quote"#), [r#""open  quote"#]);
}
