//! What words become, beside BuildKit's own table of expansions.

use proptest::prelude::*;

use super::*;

fn environment() -> Environment {
    Environment::from_entries([
        "A=alpha",
        "EMPTY=",
        "PATH_OF=/usr/local/lib/x.tar.gz",
        "STAR=a*b",
        "LINES=one\ntwo",
        "SPACED=two  words",
    ])
}

fn expand(text: &str) -> String {
    match Lexer::new('\\').expand(text, &environment()) {
        Ok(expanded) => expanded.text,
        Err(error) => format!("error: {error}"),
    }
}

#[test]
fn variables_and_their_modifiers() {
    for (text, expected) in [
        ("$A", "alpha"),
        ("x${A}y", "xalphay"),
        ("$A.b", "alpha.b"),
        ("$", "$"),
        ("a$", "a$"),
        ("$ x", "$ x"),
        ("$NONE", ""),
        ("${NONE}", ""),
        ("${A:-d}", "alpha"),
        ("${NONE:-d}", "d"),
        ("${EMPTY:-d}", "d"),
        ("${EMPTY-d}", ""),
        ("${NONE-d}", "d"),
        ("${NONE:-${A}x}", "alphax"),
        ("${NONE:-\"a b\"}", "a b"),
        ("${A:+d}", "d"),
        ("${EMPTY:+d}", ""),
        ("${EMPTY+d}", "d"),
        ("${NONE+d}", ""),
        ("${A:?no}", "alpha"),
        ("${NONE:?no}", "error: NONE: no"),
        ("${NONE?}", "error: NONE: is not allowed to be unset"),
        ("${EMPTY:?}", "error: EMPTY: is not allowed to be empty"),
        ("${EMPTY?no}", ""),
        ("${PATH_OF#*/}", "usr/local/lib/x.tar.gz"),
        ("${PATH_OF##*/}", "x.tar.gz"),
        ("${PATH_OF%.*}", "/usr/local/lib/x.tar"),
        ("${PATH_OF%%.*}", "/usr/local/lib/x"),
        ("${PATH_OF%/*}", "/usr/local/lib"),
        ("${PATH_OF#nothing}", "/usr/local/lib/x.tar.gz"),
        ("${STAR%\\*b}", "a"),
        ("${STAR#?}", "*b"),
        ("${LINES#*t}", "one\ntwo"),
        ("${A/a/X}", "Xlpha"),
        ("${A//a/X}", "XlphX"),
        ("${A/l*/X}", "aX"),
        ("${A/z/X}", "alpha"),
        ("${PATH_OF//\\//_}", "_usr_local_lib_x.tar.gz"),
        ("${EMPTY/*/x}", "x"),
        ("${A/}", "error: `${name/pattern/replacement}` has no second `/`"),
        ("${A", "error: `${` has no closing `}`"),
        ("${", "error: `${` has no closing `}`"),
        ("${}", "error: bad substitution: there is no name after `${`"),
        ("${A:x}", "error: unsupported modifier `:x` in substitution"),
        ("${A^^}", "error: unsupported modifier `^` in substitution"),
        ("${A:#x}", "error: unsupported modifier `:#` in substitution"),
        ("${A#\\x}", "error: invalid pattern `\\x` in substitution: invalid escape `\\x`"),
    ] {
        assert_eq!(expand(text), expected, "{text}");
    }
}

#[test]
fn quotes_and_escapes() {
    for (text, expected) in [
        ("\"a b\"", "a b"),
        ("'$A'", "$A"),
        ("\"$A\"", "alpha"),
        ("\\$A", "$A"),
        ("\"\\$A\"", "$A"),
        ("\"\\n\"", "\\n"),
        ("a\\ b", "a b"),
        ("\\\\", "\\"),
        ("it\\'s", "it's"),
        ("'a'\"b\"c", "abc"),
        ("a\\", "a"),
        ("'open", "error: quote ' is not closed"),
        ("\"open", "error: quote \" is not closed"),
    ] {
        assert_eq!(expand(text), expected, "{text}");
    }
}

#[test]
fn the_other_escape_character() {
    let lexer = Lexer::new('`');
    let expand = |text| lexer.expand(text, &environment()).expect("it expands").text;
    assert_eq!(expand("c:\\x`$A"), "c:\\x$A");
    assert_eq!(expand("\"`\"\""), "\"");
}

#[test]
fn words_are_split_after_values_are_in() {
    let words = |text| Lexer::new('\\').words(text, &environment()).expect("they expand");
    assert_eq!(words("$SPACED end"), ["two", "words", "end"]);
    assert_eq!(words("\"$SPACED\" 'a b'c d\\ e"), ["two  words", "a bc", "d e"]);
    assert_eq!(words("cat << EOF > x"), ["cat", "<< EOF", ">", "x"]);
}

#[test]
fn used_and_unset_names_are_told() {
    let expanded = Lexer::new('\\').expand("$A ${NONE:-x} $A", &environment()).expect("it expands");
    assert_eq!(expanded.used.into_iter().collect::<Vec<_>>(), ["A"]);
    assert_eq!(expanded.unset.into_iter().collect::<Vec<_>>(), ["NONE"]);
}

#[test]
fn unset_variables_can_stay() {
    let lexer = Lexer { keep_unset: true, ..Lexer::new('\\') };
    let text = "$A $B ${B} ${B:-x} ${B#y} ${B/a/b}";
    assert_eq!(
        lexer.expand(text, &environment()).expect("it expands").text,
        "alpha $B ${B} ${B:-x} ${B#y} ${B/a/b}"
    );
}

#[test]
fn nesting_has_an_end() {
    let deep = "${x:-".repeat(100_000);
    assert_eq!(Lexer::new('\\').expand(&deep, &NoVariables), Err(ExpandError::TooDeep));
}

proptest! {
    #[test]
    fn any_text_is_expanded_or_refused(text in "[${}:/#%+?*\\-\\\\'\"<>` A-Ca-c\n_0-9é]{0,60}") {
        for lexer in [Lexer::new('\\'), Lexer { raw_quotes: true, raw_escapes: true, keep_unset: true, ..Lexer::new('`') }] {
            let _ = lexer.expand(&text, &environment());
            let _ = lexer.words(&text, &environment());
        }
    }

    #[test]
    fn text_without_signs_is_itself(text in "[a-zA-Z0-9 ./_=-]{0,60}") {
        prop_assert_eq!(Lexer::new('\\').expand(&text, &NoVariables).expect("it expands").text, text);
    }
}
