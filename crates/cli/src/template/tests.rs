//! Tables: a template, and what it makes of one value.

use serde_json::{Value, json};

use super::Template;

fn value() -> Value {
    json!({
        "Id": "abc", "Name": "/web", "Args": ["-c", "x y"], "Size": 1200, "Nothing": null, "Empty": [],
        "State": {"Pid": 42, "Running": true, "Status": "running"},
        "Config": {"Entrypoint": null, "Labels": {"org.example.a": "1", "b": "2"}, "Env": ["A=1", "B=2"]},
        "Mounts": [{"Source": "/s", "RW": true}, {"Source": "/t", "RW": false}],
    })
}

fn render(template: &str) -> String {
    let method = |name: &str, arguments: &[Value]| {
        (name == "Label").then(|| format!("label {}", arguments[0].as_str().unwrap_or_default()).into())
    };
    match Template::parse(template).and_then(|template| template.render_with(&value(), &method)) {
        Ok(text) => text,
        Err(error) => format!("!{error}"),
    }
}

#[track_caller]
fn check(rows: &[(&str, &str)]) {
    for (template, expected) in rows {
        assert_eq!(&render(template), expected, "template {template}");
    }
}

#[test]
fn fields_and_values() {
    check(&[
        ("", ""),
        ("plain {text}", "plain {text}"),
        ("{{.Id}}", "abc"),
        ("{{.State.Pid}} {{ .State.Running }}", "42 true"),
        ("{{$.State.Status}}{{(.State).Pid}}", "running42"),
        ("{{.Args}} {{.Empty}} {{.Nothing}}", "[-c x y] [] <nil>"),
        ("{{.Config.Entrypoint}}{{len .Config.Entrypoint}}{{json .Config.Entrypoint}}", "[]0null"),
        ("{{.Config.Labels}}", "map[b:2 org.example.a:1]"),
        ("{{.Config.Labels.b}}{{.Config.Labels.none}}", "2<no value>"),
        ("{{\"a\\tb\"}}{{`raw\\n`}}{{-5}} {{1.5}} {{true}}", "a\tbraw\\n-5 1.5 true"),
        ("{{.Label \"x\"}} {{.Label \"y\" | upper}}", "label x LABEL Y"),
        ("{{/* nothing */}}x{{- /* trims */ -}} y", "xy"),
        ("a  {{- .Id -}}  b", "aabcb"),
        ("{{json .State}}", r#"{"Pid":42,"Running":true,"Status":"running"}"#),
    ]);
}

#[test]
fn functions_and_pipes() {
    check(&[
        ("{{join .Args \",\"}} {{index .Args 1}} {{len .Args}}", "-c,x y x y 2"),
        ("{{index .Config.Labels \"org.example.a\"}}[{{index .Config.Labels \"none\"}}]", "1[]"),
        ("{{(index .Mounts 1).Source}} {{index .Mounts 0 \"Source\"}}", "/t /s"),
        ("{{.Name | upper | printf \"<%s>\"}} {{title \"a bc\"}} {{lower \"ÄB\"}}", "</WEB> A Bc äb"),
        ("{{split \"a,b\" \",\" | json}} {{truncate .Id 2}} [{{pad .Id 1 2}}]", r#"["a","b"] ab [ abc  ]"#),
        ("{{slice .Id 1}} {{slice .Id 0 2}} {{slice .Args 1 | json}}", r#"bc ab ["x y"]"#),
        (
            "{{printf \"%-5s|%5d|%05d|%.1f|%q|%v|%t%%\" .Id 42 42 1.25 .Id .Args true}}",
            "abc  |   42|00042|1.2|\"abc\"|[-c x y]|true%",
        ),
        ("{{print 1 2 \"a\" \"b\" 3}}{{println .Id 1}}", "1 2ab3abc 1\n"),
        (
            "{{eq .Id \"abc\"}}{{ne .Id \"x\"}}{{eq .Size 1 1200}}{{lt 1 2}}{{ge 1 2}}",
            "truetruetruetruefalse",
        ),
        ("{{and .State.Running .Id}} {{or .Empty \"none\"}} {{not .Nothing}}", "abc none true"),
        ("{{and .Nothing .Nothing.Field}}", "<nil>"),
        ("{{len .Nothing}}{{len (split .Id \"b\")}}", "02"),
    ]);
}

#[test]
fn branches_loops_and_variables() {
    check(&[
        ("{{if .State.Running}}up{{else}}down{{end}}{{if .Empty}}no{{end}}", "up"),
        ("{{if eq .Size 1}}a{{else if gt .Size 1000}}b{{else}}c{{end}}", "b"),
        ("{{range .Args}}<{{.}}>{{end}}{{range .Empty}}x{{else}}none{{end}}", "<-c><x y>none"),
        ("{{range $i, $m := .Mounts}}{{if $i}}, {{end}}{{$m.Source}}={{.RW}}{{end}}", "/s=true, /t=false"),
        ("{{range $k, $v := .Config.Labels}}{{$k}}:{{$v}};{{end}}", "b:2;org.example.a:1;"),
        ("{{range .Config.Env}}{{if eq . \"B=2\"}}{{continue}}{{end}}{{.}}{{end}}", "A=1"),
        ("{{range .Args}}{{.}}{{break}}{{end}}", "-c"),
        ("{{with .State}}{{.Pid}}{{$.Id}}{{end}}{{with .Nothing}}x{{else}}y{{end}}", "42abcy"),
        ("{{$n := 1}}{{range .Args}}{{$n = 2}}{{end}}{{$n}}", "2"),
        ("{{range .Mounts}}{{.Source}}{{\"\\n\"}}{{end}}", "/s\n/t\n"),
    ]);
}

/// What Go prints for these, seen by hand.
#[test]
fn values_as_go_prints_them() {
    check(&[
        (
            "{{1e6}} {{1e5}} {{1e21}} {{0.0001}} {{0.00001}} {{-0.5}} {{3.0}}",
            "1e+06 100000 1e+21 0.0001 1e-05 -0.5 3",
        ),
        ("{{0x1F}} {{0b101}} {{0o17}} {{017}} {{1_000}} {{+7}}", "31 5 15 15 1000 7"),
        (r#"{{'a'}} {{'\n'}} {{'\x41'}} {{'\''}} {{"\u00e9\t\"\\\101"}}"#, "97 10 65 39 é\t\"\\A"),
        ("{{printf \"%5d|%-5d|%05d|%+d|% d\" 42 42 -42 42 42}}", "   42|42   |-0042|+42| 42"),
        ("{{printf \"%x|%X|%#x|%o|%b|%c\" 255 255 255 8 5 97}}", "ff|FF|0xff|10|101|a"),
        (
            "{{printf \"%f|%.2f|%8.3f|%e|%g|%v\" 1.5 1.255 3.14159 1234.5 1e21 1e20}}",
            "1.500000|1.25|   3.142|1.234500e+03|1e+21|1e+20",
        ),
        (
            "{{printf \"%.2s|%5.1s|%x|% x|%*d\" \"abc\" \"abc\" \"abc\" \"ab\" 5 42}}",
            "ab|    a|616263|61 62|   42",
        ),
        (r#"{{printf "%q %q" "a\x00é\"" (split "a b" " ")}}"#, r#""a\x00é\"" ["a" "b"]"#),
        ("{{printf \"%T %T %T %T\" 1 1.5 \"x\" true}}", "int float64 string bool"),
        (
            "{{html \"a<b>&'\"}} {{js \"it's <x>\"}} {{urlquery \"a b&c=é/~\"}}",
            r"a&lt;b&gt;&amp;&#39; it\'s \u003Cx\u003E a+b%26c%3D%C3%A9%2F~",
        ),
        (
            "{{title \"hello wORLD-foo_bar baz.qux\"}} {{join .State \"-\"}}",
            "Hello WORLD-Foo_bar Baz.Qux 42-running-true",
        ),
        ("{{index \"abc\" 1}} {{range 3}}{{.}}{{end}} {{len \"é\"}}", "98 012 2"),
    ]);
}

#[test]
fn templates_with_names() {
    check(&[
        (r#"{{define "x"}}<{{.}}>{{end}}{{template "x" "a"}}{{template "x"}}"#, "<a><<no value>>"),
        (r#"{{block "y" .State}}[{{.Pid}}{{$.Pid}}]{{end}}{{template "y" .State}}"#, "[4242][4242]"),
        (r#"{{template "late" 1}}{{define "late"}}{{.}}{{end}}"#, "1"),
        (
            r#"{{define "tree"}}{{if .}}({{template "tree" (slice . 1)}}){{end}}{{end}}{{template "tree" .Id}}"#,
            "((()))",
        ),
        (
            r#"{{define "x"}}{{$v}}{{end}}{{$v := 1}}{{template "x"}}"#,
            r#"!template `{{define "x"}}{{$v}}{{end}}{{$v := 1}}{{template "x"}}`, column 17: there is no variable `$v`"#,
        ),
        (r#"{{template "no"}}"#, r#"!template `{{template "no"}}`, column 3: there is no template "no""#),
        (
            r#"{{define "r"}}{{template "r" .}}{{end}}{{template "r"}}"#,
            r#"!template `{{define "r"}}{{template "r" .}}{{end}}{{template "r"}}`, column 17: the template "r" fills itself in without end"#,
        ),
        (r#"{{define "x"}}"#, "!column 3: `define` is not closed"),
        ("{{define x}}{{end}}", "!column 3: `define` needs a name in quotes"),
        (r#"{{define "x" 1}}{{end}}"#, "!column 3: `define` takes a name alone"),
        (r#"{{block "x"}}{{end}}"#, "!column 3: `block` needs a value"),
        (r#"{{if 1}}{{define "x"}}{{end}}{{end}}"#, "!column 11: a `define` stands inside of another block"),
        (
            r#"{{range .Args}}{{define "x"}}{{end}}{{end}}"#,
            "!column 18: a `define` stands inside of another block",
        ),
        (
            r#"{{range .Args}}{{block "x" .}}{{break}}{{end}}{{end}}"#,
            "!column 33: `break` stands outside of `range`",
        ),
    ]);
}

#[test]
fn heads_of_columns_stay_as_they_are() {
    let heads = json!({"Names": "NAMES", "ID": "CONTAINER ID"});
    for (template, expected) in [
        ("{{upper .Names}}\t{{.ID | lower | printf \"%-15s|\"}}", "NAMES\tCONTAINER ID   |"),
        ("{{index (split .Names \",\") 0}} {{slice .ID 0 4}} {{len .ID}}", "NAMES CONTAINER ID CONTAINER ID"),
        ("{{range split .Names \",\"}}{{.}}{{end}}", "NAMES"),
        ("{{.Label \"a.b-c\"}}", "label"),
    ] {
        let template = Template::parse(template).unwrap();
        let head = template.render_heads(&heads, &|_, _| Some("label".into())).unwrap();
        assert_eq!(head, expected, "{template:?}");
    }
}

#[test]
fn what_a_template_asks_for() {
    for (template, size, is_json) in [
        ("{{.ID}} .Size {{/* .Size */}}", false, false),
        ("{{.Size}}", true, false),
        ("{{if .ID}}{{lower .Size}}{{end}}", true, false),
        ("{{json .}}", true, true),
        ("{{ json . }}", true, true),
        ("{{json .}}x", true, false),
        ("{{json .ID}}", false, false),
        ("{{range split .Names \"\"}}{{.}}{{end}}", false, false),
        ("{{range split .Names \"\"}}{{$.Size}}{{end}}", true, false),
        ("{{with .}}{{.Size}}{{end}}", true, false),
        ("{{define \"x\"}}{{.Size}}{{end}}{{template \"x\" .}}", true, false),
        ("{{define \"x\"}}{{.ID}}{{end}}{{template \"x\" .}}", false, false),
        ("{{(printf \"%s\" .Size)}}", true, false),
    ] {
        let read = Template::parse(template).unwrap();
        assert_eq!((read.mentions("Size"), read.is_json()), (size, is_json), "{template}");
    }
}

/// Places are those of what was typed, with what stands in front of it.
#[test]
fn rows_have_tabs_and_line_ends_written_out() {
    let row = |source: &str, from| match Template::parse_row(source, from) {
        Ok(template) => template.render(&value()).unwrap_or_else(|error| format!("!{error}")),
        Err(error) => format!("!{error}"),
    };
    assert_eq!(row(r"{{.Id}}\t{{.Id}}\n", 0), "abc\tabc\n");
    assert_eq!(row(r#"{{"\t"}}{{`\t`}}"#, 0), "\t\\t");
    assert_eq!(row("table {{.Id}}", 6), "abc");
    assert_eq!(
        row(r"table \t{{.Nope}}", 6),
        r"!template `table \t{{.Nope}}`, column 11: there is no field `Nope`"
    );
    assert_eq!(row("a\n  {{.Id", 0), "!line 2, column 3: an action is not closed");
}

#[test]
fn what_does_not_read_or_fit_is_named() {
    check(&[
        ("{{.Id", "!column 1: an action is not closed"),
        ("{{}}", "!column 1: `{{}}` holds nothing to print"),
        ("{{if .Id}}x", "!column 3: `if` is not closed"),
        ("{{end}}", "!column 3: an `end` closes nothing"),
        ("{{else}}", "!column 3: an `else` stands outside of `if`, `with` and `range`"),
        ("{{(.Id}}", "!column 3: a `(` is not closed"),
        ("{{.Id)}}", "!column 6: a `)` closes nothing"),
        ("{{.Id |}}", "!column 7: a value is missing"),
        ("{{| .Id}}", "!column 3: a `|` has nothing before it"),
        ("{{\"x}}", "!column 3: a string is not closed"),
        ("{{nope .Id}}", "!column 3: there is no function `nope`"),
        ("{{break}}", "!column 3: `break` stands outside of `range`"),
        ("{{.id}}", "!template `{{.id}}`, column 3: there is no field `id`"),
        ("{{.State.Nope}}", "!template `{{.State.Nope}}`, column 9: there is no field `Nope`"),
        ("{{.Id.X}}", "!template `{{.Id.X}}`, column 6: `.Id` is \"abc\" and has no field `X`"),
        ("{{.Nothing.X}}", "!template `{{.Nothing.X}}`, column 11: `.Nothing` is empty and has no field `X`"),
        ("{{$x}}", "!template `{{$x}}`, column 3: there is no variable `$x`"),
        ("{{index .Args 7}}", "!template `{{index .Args 7}}`, column 3: index 7 is beyond a list of 2"),
        ("{{eq .Size \"1\"}}", "!template `{{eq .Size \"1\"}}`, column 3: 1200 and \"1\" cannot be compared"),
        ("{{len}}", "!template `{{len}}`, column 3: `len` does not take 0 arguments"),
        ("{{.Id 1}}", "!template `{{.Id 1}}`, column 3: `.Id` takes no arguments"),
    ]);
    let error = Template::parse("{{.id}}").unwrap().render(&value()).unwrap_err();
    assert_eq!(error.hint_text(), Some("did you mean .Id?"));
    check(&[
        ("{{nil}}", "!template `{{nil}}`, column 3: `nil` alone is nothing to print"),
        ("{{1abc}}", "!column 3: `1abc` is not a number"),
        ("{{'ab'}}", "!column 3: 'ab' is not one character"),
        ("{{\"a\\zb\"}}", "!column 3: unknown escape `\\z` in a string"),
        ("{{ @ }}", "!column 4: unexpected `@` in an action"),
        ("{{ := 1 }}", "!column 4: a `,`, `=` or `:=` stands where a value should be"),
        ("{{/* x }}", "!column 1: a comment is not closed"),
        ("ä {{if}}{{end}}", "!column 5: a value is missing"),
        ("{{if .Id}}{{else}}{{else}}{{end}}", "!column 21: `if` has two `else`"),
        (
            "{{range 9999999}}{{end}}",
            "!template `{{range 9999999}}{{end}}`, column 9: `range` cannot go over 9999999",
        ),
        ("{{printf \"%d\" .Id}}", "!template `{{printf \"%d\" .Id}}`, column 3: `%d` does not fit \"abc\""),
        ("{{printf \"%y\" 1}}", "!template `{{printf \"%y\" 1}}`, column 3: `printf` does not know `%y`"),
        ("{{printf \"%s\"}}", "!template `{{printf \"%s\"}}`, column 3: `%s` has no value"),
        ("{{.Id | upper | nope}}", "!column 17: there is no function `nope`"),
        ("{{slice .Id 9}}", "!template `{{slice .Id 9}}`, column 3: `slice` goes beyond the end"),
        (
            "{{with .State}}{{.Nope}}{{end}}",
            "!template `{{with .State}}{{.Nope}}{{end}}`, column 18: there is no field `Nope`",
        ),
    ]);
    let hint = |source: &str| Template::parse(source).unwrap_err().hint_text().map(str::to_owned);
    assert_eq!(hint("{{uper .Id}}").as_deref(), Some("did you mean upper?"));
    assert!(hint("{{nope .Id}}").unwrap().starts_with("there are: and, eq, "));
}
