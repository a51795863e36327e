//! Whole Dockerfiles: what they are parsed to, which faults and which warnings they give.

use proptest::prelude::*;

use crate::instruction::{Command, CopySource};
use crate::{Dockerfile, Error, Rule, Source};

fn parse(text: &str) -> Result<Dockerfile, Error> {
    Dockerfile::parse(Source::new("Dockerfile", text))
}

fn errors(text: &str) -> String {
    parse(text).expect_err("it has faults").to_string()
}

fn warnings(text: &str) -> String {
    let dockerfile = parse(text).expect("valid");
    let place = |at| dockerfile.source.place(at);
    let shown = dockerfile.warnings.iter().map(|warning| {
        format!("{}: {}: {}", place(warning.span.start).line, warning.rule.name(), warning.text)
    });
    shown.collect::<Vec<_>>().join("\n")
}

fn first_command(line: &str) -> Command {
    let dockerfile = parse(&format!("FROM scratch\n{line}")).unwrap_or_else(|error| panic!("{error}"));
    dockerfile.stages[0].instructions[0].command.clone()
}

#[test]
fn stages_and_their_instructions() {
    let dockerfile = parse(
        "ARG BASE=debian\nFROM ${BASE} AS Build\nRUN make\nFROM --platform=linux/amd64 scratch\n\
         COPY --from=build --chown=1:2 /a /b /c/\nCMD [\"/c/a\"]",
    )
    .expect("valid");
    assert_eq!(dockerfile.arguments.len(), 1);
    let [build, last] = &*dockerfile.stages else { panic!("two stages") };
    assert_eq!((build.from.name().as_deref(), build.from.base.text.as_str()), (Some("build"), "${BASE}"));
    assert_eq!(last.from.platform.as_ref().map(|word| &*word.text), Some("linux/amd64"));
    let Command::Copy(copy) = &last.instructions[0].command else { panic!("COPY") };
    assert_eq!(copy.from.as_ref().map(|word| &*word.text), Some("build"));
    assert_eq!((copy.sources.len(), &*copy.destination.text), (2, "/c/"));
}

#[test]
fn each_instruction() {
    insta::assert_debug_snapshot!(first_command("SHELL [\"/bin/bash\", \"-c\"]"), @r#"
    Shell(
        [
            "/bin/bash",
            "-c",
        ],
    )
    "#);
    insta::assert_debug_snapshot!(first_command("CMD echo 'a'  b"), @r#"
    Cmd(
        Shell(
            "echo 'a'  b",
        ),
    )
    "#);
    insta::assert_debug_snapshot!(first_command("ENTRYPOINT [\"a\", \"b\\u0020c\"]"), @r#"
    Entrypoint(
        Exec(
            [
                "a",
                "b c",
            ],
        ),
    )
    "#);
    insta::assert_debug_snapshot!(
        first_command("HEALTHCHECK --interval=1m30s --timeout=3s --retries=4 CMD curl -f localhost"), @r#"
    Healthcheck(
        Healthcheck {
            test: [
                "CMD-SHELL",
                "curl -f localhost",
            ],
            interval: 90000000000,
            timeout: 3000000000,
            start_period: 0,
            start_interval: 0,
            retries: 4,
        },
    )
    "#);
    let Command::Onbuild(trigger) = first_command("ONBUILD RUN <<EOF\nmake\nEOF") else { panic!("ONBUILD") };
    assert_eq!(trigger.text, "RUN <<EOF\nmake\nEOF");
    let Command::Env(pairs) = first_command("ENV a=1 b=\"x y\" c=$a") else { panic!("ENV") };
    let shown: Vec<_> = pairs.iter().map(|pair| (&*pair.name.text, &*pair.value.text, pair.legacy)).collect();
    assert_eq!(shown, [("a", "1", false), ("b", "\"x y\"", false), ("c", "$a", false)]);
    let Command::Env(pairs) = first_command("ENV key the  rest") else { panic!("ENV") };
    assert_eq!((&*pairs[0].value.text, pairs[0].legacy), ("the  rest", true));
    let Command::Expose(ports) = first_command("EXPOSE 90 80/tcp") else { panic!("EXPOSE") };
    assert_eq!(ports.iter().map(|port| &*port.text).collect::<Vec<_>>(), ["80/tcp", "90"]);
    let Command::Volume(volumes) = first_command("VOLUME [\"/a b\", \"/c\"]") else { panic!("VOLUME") };
    assert_eq!(volumes.iter().map(|volume| &*volume.text).collect::<Vec<_>>(), ["/a b", "/c"]);
    let Command::Arg(arguments) = first_command("ARG a b=1 c=") else { panic!("ARG") };
    let shown: Vec<_> = arguments
        .iter()
        .map(|argument| (&*argument.name.text, argument.default.as_ref().map(|word| &*word.text)))
        .collect();
    assert_eq!(shown, [("a", None), ("b", Some("1")), ("c", Some(""))]);
    let Command::Copy(copy) = first_command("COPY <<a <<b file /d/\n1\na\n2\nb") else { panic!("COPY") };
    assert!(matches!(&*copy.sources, [CopySource::Inline(a), CopySource::Inline(b), CopySource::Path(_)]
        if a.content == "1\n" && b.content == "2\n"));
}

#[test]
fn mounts() {
    let mount = |flag: &str| {
        let Command::Run(run) = first_command(&format!("RUN --mount={flag} x")) else { panic!("RUN") };
        format!("{:?}", run.mounts(|value, _| Ok(value.to_owned())).expect("valid")[0])
    };
    insta::assert_snapshot!(mount("type=cache,target=/x,sharing=locked,id=apt,uid=1,mode=0700"), @r#"Mount { kind: Cache, from: None, source: None, target: Some("/x"), read_only: false, size_bytes: None, id: Some("apt"), sharing: Locked, required: false, env: None, mode: Some(448), uid: Some(1), gid: None }"#);
    insta::assert_snapshot!(mount("from=build,src=/a,dst=b,rw"), @r#"Mount { kind: Bind, from: Some("build"), source: Some("/a"), target: Some("b"), read_only: false, size_bytes: None, id: None, sharing: Shared, required: false, env: None, mode: None, uid: None, gid: None }"#);
    insta::assert_snapshot!(mount("type=tmpfs,target=/t,size=64m"), @r#"Mount { kind: Tmpfs, from: None, source: None, target: Some("/t"), read_only: false, size_bytes: Some(67108864), id: None, sharing: Shared, required: false, env: None, mode: None, uid: None, gid: None }"#);
    insta::assert_snapshot!(mount("type=secret,id=token,env=TOKEN,required"), @r#"Mount { kind: Secret, from: None, source: None, target: None, read_only: true, size_bytes: None, id: Some("token"), sharing: Shared, required: true, env: Some("TOKEN"), mode: None, uid: None, gid: None }"#);
}

#[test]
fn every_fault_is_shown_with_its_place() {
    insta::assert_snapshot!(
        errors("FROM debian\nRUNN x\nCOPY --form=a b c\nRUN --mount=type=cahce,target=/x \\\n  y\nENV a\napt-get"), @r"
    unknown instruction `RUNN`
     --> Dockerfile:2:1
      |
    2 | RUNN x
      | ^^^^
    hint: did you mean `RUN`?
    error: unknown flag `--form` of COPY
     --> Dockerfile:3:6
      |
    3 | COPY --form=a b c
      |      ^^^^^^^^
    hint: did you mean `--from`?
    error: unsupported mount type `cahce`
     --> Dockerfile:4:5
      |
    4 | RUN --mount=type=cahce,target=/x \
      |     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    hint: did you mean `cache`?
    error: ENV must have two arguments
     --> Dockerfile:6:5
      |
    6 | ENV a
      |     ^
    hint: write `ENV name=value`
    error: unknown instruction `apt-get`
     --> Dockerfile:7:1
      |
    7 | apt-get
      | ^^^^^^^
    hint: a line that belongs to the one above needs an escape character at the end of that
    ");
}

#[test]
fn faults_of_each_instruction() {
    for (line, expected) in [
        ("FROM", "FROM requires either one or three arguments"),
        ("FROM a as", "FROM requires either one or three arguments"),
        ("FROM a AS 1x", "invalid name for build stage: `1x`"),
        ("COPY a", "COPY requires at least two arguments"),
        ("COPY --from=$x a b", "variables are not supported in `--from`"),
        ("COPY a <<EOF\nEOF", "cannot take a heredoc as its destination"),
        ("COPY --link=maybe a b", "flag `--link` must be true or false"),
        ("COPY --chown a b", "flag `--chown` needs a value"),
        ("COPY --chown=a --chown=b c d", "flag `--chown` is given twice"),
        ("COPY [\"a\", 1]", "a JSON list must hold strings only"),
        ("ADD --keep-git-dir a b", "flag `--keep-git-dir` is not supported"),
        ("ADD --from=a b c", "unknown flag `--from` of ADD"),
        ("RUN", "RUN requires at least one argument"),
        ("RUN --security=insecure x", "`--security=insecure` is not supported"),
        ("RUN --network=bridge x", "invalid network mode `bridge`"),
        ("RUN --mount=type=bind x", "a mount of type `bind` needs a `target`"),
        ("RUN --mount=from=$x,target=/y z", "variables are not supported in `from=$x`"),
        ("RUN --mount=type=bind,target=/x,uid=1 y", "`uid` is not allowed for mounts of type `bind`"),
        ("RUN --mount=type=secret x", "a secret needs an `id`"),
        ("RUN --mount=type=cache,target=/x,sharing=all y", "unsupported sharing `all`"),
        ("RUN --mount=type=cache,targt=/x y", "unexpected key `targt`"),
        ("RUN --mount=type=cache,target y", "`target` needs a value"),
        ("RUN --mount=type=cache,,target=/x y", "there is an empty field"),
        ("RUN --mount=type=tmpfs,target=/x,size=1q y", "invalid value `1q` for `size`"),
        ("RUN --mount=type=cache,target=/x,size=1 y", "unexpected key `size` for mount type `cache`"),
        ("RUN --mount=type=bind,target=/x,ro=perhaps y", "invalid value `perhaps` for `ro`"),
        ("RUN --device=x y", "flag `--device` is not supported"),
        ("ENV =x", "ENV names can not be blank"),
        ("ENV a=b c", "there is no `=` in `c`"),
        ("ARG =x", "ARG names can not be blank"),
        ("SHELL /bin/sh -c", "SHELL requires a JSON list"),
        ("SHELL []", "SHELL requires at least one argument"),
        ("VOLUME [\"\"]", "VOLUME specified can not be an empty string"),
        ("HEALTHCHECK CMD", "there is no command after HEALTHCHECK CMD"),
        ("HEALTHCHECK NONE x", "HEALTHCHECK NONE takes no arguments"),
        ("HEALTHCHECK curl", "unknown type `curl` in HEALTHCHECK"),
        ("HEALTHCHECK --interval=1x CMD a", "invalid duration `1x`"),
        ("HEALTHCHECK --interval=1us CMD a", "`--interval` cannot be less than 1ms"),
        ("HEALTHCHECK --retries=-1 CMD a", "`--retries` cannot be `-1`"),
        ("ONBUILD ONBUILD RUN x", "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"),
        ("ONBUILD FROM x", "FROM isn't allowed as an ONBUILD trigger"),
        ("ONBUILD HELO x", "unknown instruction `HELO`"),
        ("WORKDIR --x /a", "unknown flag `--x` of WORKDIR"),
        ("USER", "USER requires at least one argument"),
    ] {
        let found = errors(&format!("FROM scratch\n{line}"));
        assert!(found.starts_with(expected) || found.contains(expected), "{line}: {found}");
        assert!(found.contains("Dockerfile:2:"), "{line}: {found}");
    }
}

#[test]
fn faults_of_the_whole() {
    assert!(errors("").starts_with("the Dockerfile holds no instructions"));
    assert!(errors("ARG a").starts_with("the Dockerfile has no stages to build"));
    assert!(errors("RUN x\nFROM a").starts_with("`RUN` stands before the first `FROM`"));
    assert!(
        errors("# syntax=evil/frontend:1\nFROM a")
            .starts_with("the language `evil/frontend:1` is not supported")
    );
    assert!(errors("# check=skp=all\nFROM a").starts_with("unknown check option `skp`"));
    for syntax in ["docker/dockerfile:1", "docker.io/docker/dockerfile:1.7-labs", "docker/dockerfile"] {
        assert!(parse(&format!("# syntax={syntax}\nFROM a")).is_ok(), "{syntax}");
    }
}

#[test]
fn checks_of_the_text() {
    insta::assert_snapshot!(
        warnings(
            "ARG PASSWORD\nFROM a As Build\nMAINTAINER me\nENV name value\nENV PUBLIC_KEY=x API_KEY=y\nLABEL a b\n\
             CMD [\"a\"]\nCMD [\"b\"]\nrun x \\\n\n  y\nFROM b AS build\nFROM c AS scratch\n"
        ), @r#"
    10: NoEmptyContinuation: Empty continuation line
    12: DuplicateStageName: Duplicate stage name "build", stage names should be unique
    13: ReservedStageName: Stage name should not use the same name as reserved stage "scratch"
    9: ConsistentInstructionCasing: Command 'run' should match the case of the command majority (uppercase)
    2: StageNameCasing: Stage name 'Build' should be lowercase
    2: FromAsCasing: 'As' and 'FROM' keywords' casing do not match
    3: MaintainerDeprecated: Maintainer instruction is deprecated in favor of using label
    4: LegacyKeyValueFormat: "ENV key=value" should be used instead of legacy "ENV key value" format
    5: SecretsUsedInArgOrEnv: Do not use ARG or ENV instructions for sensitive data (ENV "API_KEY")
    6: LegacyKeyValueFormat: "LABEL key=value" should be used instead of legacy "LABEL key value" format
    7: MultipleInstructionsDisallowed: Multiple CMD instructions should not be used in the same stage because only the last one will be used
    "#
    );
}

#[test]
fn checks_are_turned_off_for_the_file_or_one_instruction() {
    assert_eq!(warnings("# check=skip=StageNameCasing\nFROM a AS Build\n"), "");
    assert_eq!(warnings("# check=skip=all\nFROM a AS Build\nMAINTAINER me"), "");
    assert_eq!(warnings("FROM a\n# check=skip=MaintainerDeprecated\nMAINTAINER me"), "");
    let described = "# check=experimental=InvalidDefinitionDescription\n\n# build the base\nFROM a AS base\n# base is it\nFROM b AS base2\n\n# about nothing\n\nARG x";
    insta::assert_snapshot!(warnings(described), @r"
    4: InvalidDefinitionDescription: Comment for FROM should follow the format: `# base <description>`
    6: InvalidDefinitionDescription: Comment for FROM should follow the format: `# base2 <description>`
    ");
}

#[test]
fn a_clean_file_has_no_warnings() {
    let text = "# syntax=docker/dockerfile:1\nFROM debian:12 AS build\nWORKDIR /src\nCOPY . .\n\
                RUN --mount=type=cache,target=/root/.cargo cargo build\nFROM scratch\n\
                COPY --from=build /src/x /x\nENTRYPOINT [\"/x\"]\n";
    assert_eq!(warnings(text), "");
    assert!(Rule::ALL.len() >= 21);
}

proptest! {
    #[test]
    fn any_text_is_parsed_or_refused(text in any::<String>()) {
        let _ = parse(&text);
    }

    #[test]
    fn any_dockerfile_like_text_is_parsed_or_refused(
        text in "((FROM|RUN|COPY|ADD|ENV|ARG|ONBUILD|HEALTHCHECK|SHELL|# escape=`|#|LABEL|CMD|run|VOLUME|EXPOSE)( |\\\\\n|`\n|--mount=|--from=|type=|<<-?|E|\"|'|\\[|\\]|,|=|\\$\\{|\\}|:-|\t|é|a){0,12}\r?\n?){0,8}"
    ) {
        let _ = parse(&text);
    }
}
