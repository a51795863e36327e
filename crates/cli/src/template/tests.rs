//! Tables: a template, and what it makes of one value.

use serde_json::{Value, json};

use super::Template;

fn value() -> Value {
    json!({
        "Id": "abc", "Name": "/web", "Args": ["-c", "x y"], "Size": 1200, "Nothing": null, "Empty": [],
        "State": {"Pid": 42, "Running": true, "Status": "running"},
        "Config": {"Labels": {"org.example.a": "1", "b": "2"}, "Env": ["A=1", "B=2"]},
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
        ("{{.Args}} {{.Empty}} {{.Nothing}}", "[-c x y] [] <no value>"),
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
        ("{{and .Nothing .Nothing.Field}}", "<no value>"),
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

#[test]
fn what_does_not_read_or_fit_is_named() {
    check(&[
        ("{{.Id", "!an action is not closed"),
        ("{{}}", "!`{{}}` holds nothing to print"),
        ("{{if .Id}}x", "!`if` is not closed"),
        ("{{end}}", "!an `end` closes nothing"),
        ("{{else}}", "!an `else` stands outside of `if`, `with` and `range`"),
        ("{{(.Id}}", "!a `(` is not closed"),
        ("{{.Id)}}", "!a `)` closes nothing"),
        ("{{.Id |}}", "!a value is missing"),
        ("{{| .Id}}", "!a `|` has nothing before it"),
        ("{{\"x}}", "!a string is not closed"),
        ("{{nope .Id}}", "!there is no function `nope`"),
        ("{{define \"x\"}}{{end}}", "!`define` is not supported: templates have no names here"),
        ("{{break}}", "!`break` stands outside of `range`"),
        ("{{.id}}", "!template `{{.id}}`: there is no field `id`"),
        ("{{.State.Nope}}", "!template `{{.State.Nope}}`: there is no field `Nope`"),
        ("{{.Id.X}}", "!template `{{.Id.X}}`: `.Id` is \"abc\" and has no field `X`"),
        ("{{.Nothing.X}}", "!template `{{.Nothing.X}}`: `.Nothing` is empty and has no field `X`"),
        ("{{$x}}", "!template `{{$x}}`: there is no variable `$x`"),
        ("{{index .Args 7}}", "!template `{{index .Args 7}}`: index 7 is beyond a list of 2"),
        ("{{eq .Size \"1\"}}", "!template `{{eq .Size \"1\"}}`: 1200 and \"1\" cannot be compared"),
        ("{{len}}", "!template `{{len}}`: `len` does not take 0 arguments"),
        ("{{.Id 1}}", "!template `{{.Id 1}}`: `.Id` takes no arguments"),
    ]);
    let error = Template::parse("{{.id}}").unwrap().render(&value()).unwrap_err();
    assert_eq!(error.hint_text(), Some("did you mean .Id?"));
}
