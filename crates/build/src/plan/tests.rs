//! Plans of whole Dockerfiles, and what changes the keys of their steps.

use std::collections::BTreeMap;

use oci::class::Class;
use oci::digest::{ChainId, Digest};
use oci::image::{Config, ImageConfig, Platform};

use super::*;
use crate::key::Surroundings;
use crate::source::Source;

/// `debian` with two variables, and `onbuild` with triggers.
struct Shelf {
    asked: Vec<String>,
}

impl BaseImages for Shelf {
    fn base_image(&mut self, name: &str) -> Result<BaseImage, Unavailable> {
        self.asked.push(name.to_owned());
        let config = match name {
            "debian" | "debian:12" => Config {
                env: vec!["PATH=/bin".to_owned(), "LANG=C".to_owned()],
                cmd: Some(vec!["bash".to_owned()]),
                ..Config::default()
            },
            "onbuild" => Config {
                on_build: vec!["COPY . /app".to_owned(), "RUN make $WHAT".to_owned()],
                ..Config::default()
            },
            _ => {
                return Err(Unavailable {
                    class: Class::NotFound,
                    text: format!("No such image: {name}"),
                    hint: None,
                });
            }
        };
        let config = ImageConfig { config, ..ImageConfig::default() };
        Ok(BaseImage { name: name.to_owned(), id: format!("id of {name}"), config })
    }
}

fn request() -> Request {
    Request {
        target: None,
        build_arguments: BTreeMap::new(),
        platform: "linux/amd64".parse::<Platform>().expect("valid"),
        labels: BTreeMap::new(),
        contexts: BTreeMap::new(),
        ignore: Matcher::default(),
        check_only: false,
    }
}

fn plan_with(text: &str, request: &Request) -> Result<Plan> {
    Dockerfile::parse(Source::new("Dockerfile", text))?.plan(request, &mut Shelf { asked: Vec::new() })
}

fn plan(text: &str) -> Plan {
    plan_with(text, &request()).unwrap_or_else(|error| panic!("{error}"))
}

fn with_arguments(arguments: &[(&str, &str)]) -> Request {
    let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Request { build_arguments: arguments.iter().map(pair).collect(), ..request() }
}

/// The history of the target, one line an instruction.
fn history(plan: &Plan) -> String {
    let target = plan.stages.last().expect("a target");
    target.steps.iter().map(|step| &*step.history.created_by).collect::<Vec<_>>().join("\n")
}

fn warnings(text: &str) -> String {
    let shown =
        plan(text).warnings.into_iter().map(|warning| format!("{}: {}", warning.rule.name(), warning.text));
    shown.collect::<Vec<_>>().join("\n")
}

fn runs(plan: &Plan) -> Vec<RunStep> {
    let steps = plan.stages.iter().flat_map(|stage| &stage.steps);
    steps
        .filter_map(|step| match &step.action {
            StepAction::Run(run) => Some(run.clone()),
            _ => None,
        })
        .collect()
}

fn copy_of(text: &str) -> CopyStep {
    let plan = plan(&format!("FROM debian\nWORKDIR /w\n{text}"));
    match &plan.stages[0].steps[1].action {
        StepAction::Copy(copy) => copy.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn only_what_the_target_needs_is_planned() {
    let text = "FROM debian AS base\nFROM nowhere AS unused\nFROM base AS a\nRUN a\nFROM base AS b\nRUN b\n\
                FROM scratch\nCOPY --from=a /x /\nRUN --mount=from=3,target=/y --mount=from=b,target=/z c";
    let error = plan_with(text, &request()).expect_err("`3` is no stage for mounts");
    assert!(error.to_string().starts_with("cannot use image `3`"), "{error}");
    let plan = plan(&text.replace("--mount=from=3,target=/y ", ""));
    let names: Vec<&str> = plan.stages.iter().map(|stage| &*stage.name).collect();
    assert_eq!(names, ["base", "a", "b", "stage-4"]);
    assert_eq!(plan.stages[3].steps[0].needs(), [2]);
    assert_eq!(plan.stages[3].steps[1].needs(), [3]);
    assert_eq!(plan.stages[1].base, Base::Stage(0));
}

#[test]
fn the_target_is_a_name_or_a_number() {
    let text = "FROM debian AS Base\nRUN a\nFROM scratch AS last";
    let target = |name: &str| plan_with(text, &Request { target: Some(name.to_owned()), ..request() });
    assert_eq!(target("base").expect("it is there").stages[0].name, "base");
    assert_eq!(target("1").expect("it is there").stages[0].name, "last");
    let error = target("bse").expect_err("it is not");
    assert_eq!((error.class(), error.hint().as_deref()), (Class::NotFound, Some("did you mean `base`?")));
}

#[test]
fn arguments_have_scopes() {
    let text = "ARG VERSION=1\nARG UNSET\nFROM debian:${VERSION}2 AS a\nRUN a\nARG VERSION\nARG OWN=o$VERSION\nARG UNSET\n\
                RUN b\nENV OWN=env\nARG OWN=again\nRUN c\nFROM a\nRUN d\nFROM debian\nRUN e";
    let environments = |target: &str, request: Request| {
        let plan = plan_with(text, &Request { target: Some(target.to_owned()), ..request }).expect("valid");
        let runs = runs(&plan);
        runs.iter().map(|run| run.environment.join(" ")).collect::<Vec<_>>()
    };
    insta::assert_snapshot!(environments("1", request()).join("\n"), @r"
    PATH=/bin LANG=C
    PATH=/bin LANG=C VERSION=1 OWN=o1
    PATH=/bin LANG=C VERSION=1 OWN=again
    PATH=/bin LANG=C VERSION=1 OWN=again
    ");
    assert_eq!(environments("2", request()), ["PATH=/bin LANG=C"]);
    let given = with_arguments(&[("OWN", "given"), ("UNSET", "now"), ("UNKNOWN", "x")]);
    assert_eq!(environments("a", given)[1], "PATH=/bin LANG=C VERSION=1 OWN=given UNSET=now");
}

#[test]
fn platform_arguments_are_predefined_and_proxies_stay_apart() {
    let text = "FROM debian\nARG TARGETARCH\nARG http_proxy\nRUN x";
    let request = with_arguments(&[("http_proxy", "http://u:p@h"), ("NO_PROXY", "local")]);
    let plan = plan_with(text, &request).expect("valid");
    let run = &runs(&plan)[0];
    assert_eq!(run.environment, ["PATH=/bin", "LANG=C", "TARGETARCH=amd64", "http_proxy=http://u:p@h"]);
    assert_eq!(run.proxies, ["NO_PROXY=local", "no_proxy=local", "HTTP_PROXY=http://u:p@h"]);
    let plan = plan_with("FROM debian\nRUN x", &request).expect("valid");
    assert!(!history(&plan).contains("u:p"), "{}", history(&plan));
}

#[test]
fn history_reads_as_that_of_docker() {
    insta::assert_snapshot!(history(&plan(
        "FROM debian\nARG A=1\nENV B=$A C=\"x y\"\nLABEL l=m\nWORKDIR /w\nWORKDIR sub\nUSER me\nEXPOSE 80 53/udp\n\
         VOLUME /v\nSTOPSIGNAL TERM\nSHELL [\"/bin/bash\", \"-c\"]\nRUN make  \\\n  all\nCOPY --chown=1:2 a b /d/\n\
         COPY <<F /f\nx\nF\nADD . .\nENTRYPOINT [\"e\"]\nCMD run \"it\"\nHEALTHCHECK --interval=5s CMD x\nMAINTAINER m\nONBUILD RUN y"
    )), @r#"
    ARG A=1
    ENV B=1 C=x y
    LABEL l=m
    WORKDIR /w
    WORKDIR /w/sub
    USER me
    EXPOSE [53/udp 80/tcp]
    VOLUME [/v]
    STOPSIGNAL TERM
    SHELL [/bin/bash -c]
    RUN |1 A=1 /bin/bash -c make    all
    COPY --chown=1:2 a b /d/
    COPY <<F /f
    ADD . .
    ENTRYPOINT ["e"]
    CMD ["/bin/bash" "-c" "run \"it\""]
    HEALTHCHECK --interval=5s CMD x
    MAINTAINER m
    "#);
}

#[test]
fn the_configuration_is_that_of_the_instructions() {
    let request = Request { labels: [("given".to_owned(), "1".to_owned())].into(), ..request() };
    let plan = plan_with(
        "FROM debian\nENV PATH=$PATH:/x D=1\nEXPOSE 80-81\nENTRYPOINT [\"e\"]\nUSER u\nONBUILD RUN y\nVOLUME [\"/a\"]",
        &request,
    )
    .expect("valid");
    insta::assert_json_snapshot!(plan.stages[0].config.config, @r#"
    {
      "User": "u",
      "ExposedPorts": {
        "80/tcp": {},
        "81/tcp": {}
      },
      "Env": [
        "PATH=/bin:/x",
        "LANG=C",
        "D=1"
      ],
      "Volumes": {
        "/a": {}
      },
      "Entrypoint": [
        "e"
      ],
      "OnBuild": [
        "RUN y"
      ],
      "Labels": {
        "given": "1"
      }
    }
    "#);
}

#[test]
fn a_command_set_here_outlives_a_later_entry_point() {
    let config = |text: &str| plan(text).stages.pop().expect("a stage").config.config;
    assert_eq!(config("FROM debian\nENTRYPOINT [\"e\"]").cmd, None);
    assert_eq!(config("FROM debian\nCMD [\"c\"]\nENTRYPOINT [\"e\"]").cmd, Some(vec!["c".to_owned()]));
    assert_eq!(config("FROM debian AS a\nCMD [\"c\"]\nFROM a\nENTRYPOINT [\"e\"]").cmd, None);
}

#[test]
fn triggers_come_first_and_do_not_stay() {
    let plan = plan("FROM onbuild\nARG WHAT\nRUN last");
    let steps: Vec<(bool, &str)> =
        plan.stages[0].steps.iter().map(|step| (step.is_trigger, &*step.history.created_by)).collect();
    assert_eq!(steps[0], (true, "COPY . /app"));
    assert_eq!(steps[1], (true, "RUN /bin/sh -c make $WHAT"));
    assert!(!steps[2].0);
    assert!(plan.stages[0].config.config.on_build.is_empty());
    let own = self::plan("FROM debian AS a\nONBUILD RUN x\nFROM a\nFROM scratch\nCOPY --from=1 / /");
    assert_eq!(own.stages[1].steps[0].title, "RUN x");
}

#[test]
fn paths_of_copies() {
    let shown = |text: &str| {
        let copy = copy_of(text);
        let contents: Vec<String> = copy
            .contents
            .iter()
            .map(|content| match content {
                Content::Path(path) => format!(
                    "{}{}",
                    path.pattern,
                    path.pivot.as_ref().map(|pivot| format!(" below {pivot}")).unwrap_or_default()
                ),
                Content::Inline(file) => format!("{}={:?}", file.name, file.content),
                Content::Url(url) => url.clone(),
            })
            .collect();
        format!("{} -> {}", contents.join(", "), copy.destination)
    };
    for (text, expected) in [
        ("COPY a b", "/a -> /w/b"),
        ("COPY ../../a/./b/ .", "/a/b -> /w/"),
        ("COPY a b/", "/a -> /w/b/"),
        ("COPY *.txt /x/../y/", "/*.txt -> /y/"),
        ("COPY . /", "/ -> /"),
        ("COPY --parents x/./y/z /d/", "/x/y/z below /x -> /d/"),
        ("COPY [\"a b\", \"/c d\"]", "/a b -> /c d"),
        ("COPY <<F <<\"G\" /d/\n$LANG 'q'\nF\n$LANG\nG", "F=\"C 'q'\\n\", G=\"$LANG\\n\" -> /d/"),
        ("ADD https://example.org/x.tar.gz /d/", "https://example.org/x.tar.gz -> /d/"),
    ] {
        assert_eq!(shown(text), expected, "{text}");
    }
    assert!(
        copy_of("ADD a b").unpack && !copy_of("COPY a b").unpack && !copy_of("ADD --unpack=false a b").unpack
    );
}

#[test]
fn faults_of_plans() {
    for (text, expected) in [
        ("FROM nowhere", "cannot use image `nowhere`: No such image: nowhere"),
        ("FROM $X", "`$X` is empty: the stage has no base"),
        ("FROM --platform=linux/arm64 debian", "cannot build for linux/arm64: this machine is linux/amd64"),
        ("FROM --platform=a/b/c/d debian", "invalid platform `a/b/c/d`"),
        ("FROM --platform=what debian", "cannot build for linux/what: this machine is linux/amd64"),
        ("FROM debian\nCOPY --from=later a b\nFROM debian AS later\nFROM 0", "cannot use image `0`"),
        ("FROM debian AS a\nCOPY --from=a a b", "stage `a` is not finished here"),
        ("FROM debian\nCOPY --from=0 a b", "there is no stage 0 before this one"),
        ("FROM debian\nCOPY a b c", "COPY of several sources needs a directory as its destination"),
        ("FROM debian\nCOPY https://x.org/y /", "COPY does not fetch addresses"),
        ("FROM debian\nADD https://github.com/a/b.git /", "sources from git are not supported"),
        ("FROM debian\nADD --checksum=sha256:1 a /", "`--checksum` needs one source"),
        ("FROM debian\nADD --checksum=sha256:1 https://x.org/y /", "invalid checksum"),
        ("FROM debian\nCOPY --chmod=999 a b", "invalid mode `999`"),
        ("FROM debian\nCOPY --chmod=rwx a b", "invalid mode `rwx`"),
        ("FROM debian\nRUN --mount=type=tmpfs,target=/ x", "a mount cannot lie at `/`"),
        ("FROM debian\nSTOPSIGNAL HELLO", "invalid signal `HELLO`"),
        ("FROM debian\nEXPOSE http", "invalid port `http`"),
        ("FROM debian\nENV A=\"${B:?no b}\"", "B: no b"),
        ("FROM debian\nENV A='", "quote ' is not closed"),
    ] {
        let error = plan_with(text, &request()).expect_err(text).to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn mounts_of_commands() {
    let plan = plan(
        "FROM debian AS a\nFROM debian\nWORKDIR /w\nENV D=/var/cache\nRUN --mount=type=cache,target=$D/apt,sharing=locked \
         --mount=target=. --mount=from=a,src=/x,dst=y --mount=type=secret,id=t,env=T --mount=type=secret,id=u --mount=type=ssh x",
    );
    let run = &runs(&plan)[0];
    let shown: Vec<String> = run
        .mounts
        .iter()
        .map(|mount| {
            format!(
                "{} {:?} {} {} {:?}",
                mount.kind.name(),
                mount.origin,
                mount.target,
                mount.id,
                mount.variable
            )
        })
        .collect();
    insta::assert_snapshot!(shown.join("\n"), @r#"
    cache None /var/cache/apt /var/cache/apt None
    bind Some(Context) /w  None
    bind Some(Stage(0)) /w/y  None
    secret None  t Some("T")
    secret None /run/secrets/u u None
    ssh None /run/buildkit/ssh_agent.0 default None
    "#);
}

#[test]
fn heredocs_of_commands() {
    let runs = runs(&plan(
        "FROM debian\nRUN <<E\na $X\nE\nRUN <<E\n#!/usr/bin/python3\nprint()\nE\nRUN cat <<E > /x && sh <<'F'\n1\nE\n2\nF\nRUN [\"a\"]",
    ));
    let arguments: Vec<&[String]> = runs.iter().map(|run| &*run.arguments).collect();
    assert_eq!(arguments[0], ["/bin/sh", "-c", "a $X\n"]);
    assert_eq!(arguments[1], ["/dev/pipes/E"]);
    assert_eq!(arguments[2], ["/bin/sh", "-c", "cat <<E > /x && sh <<'F'\n1\nE\n2\nF"]);
    assert_eq!(arguments[3], ["a"]);
    assert_eq!(runs[1].script.as_ref().map(|script| &*script.content), Some("#!/usr/bin/python3\nprint()\n"));
}

#[test]
fn checks_that_need_values() {
    insta::assert_snapshot!(
        warnings(
            "ARG TAG\nARG KNOWN=12\nFROM --platform=$TARGETPLATFORM debian:$KNOWN AS a\nFROM --platform=linux/amd64 debian\n\
             WORKDIR rel\nENV X=$LAGN Y=${NOPE}\nCMD sh -c x\nEXPOSE 80/TCP 1:2\nCOPY --from=a / /\nLABEL v=$KNOWN"
        ), @r#"
    FromPlatformFlagConstDisallowed: FROM --platform flag should not use constant value "linux/amd64"
    WorkdirRelativePath: Relative workdir "rel" can have unexpected results if the base image changes
    UndefinedVar: Usage of undefined variable '$LAGN' (did you mean $LANG?)
    UndefinedVar: Usage of undefined variable '$NOPE'
    JSONArgsRecommended: JSON arguments recommended for CMD to prevent unintended behavior related to OS signals
    ExposeInvalidFormat: EXPOSE instruction should not define an IP address or host-port mapping, found '1:2'
    ExposeProtoCasing: Defined protocol '80/TCP' in EXPOSE instruction should be lowercase
    RedundantTargetPlatform: Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior
    UndefinedVar: Usage of undefined variable '$KNOWN'
    "#
    );
    insta::assert_snapshot!(warnings("ARG BASE=deb\nFROM ${BASE}ian${BSE}"), @"UndefinedArgInFrom: FROM argument 'BSE' is not declared (did you mean BASE?)");
    let request = with_arguments(&[("BASE", "debian")]);
    let plan = plan_with("ARG BASE\nFROM $BASE", &request).expect("valid");
    assert_eq!(
        plan.warnings[0].text,
        "Default value for ARG $BASE results in empty or invalid base image name"
    );
}

#[test]
fn copies_of_ignored_files_are_warned_of() {
    let ignore = Matcher::parse(&Source::new(".dockerignore", "secret\n*.log\n")).expect("valid");
    let plan = plan_with(
        "FROM debian\nCOPY secret/x a.txt /d/\nADD b.log /\nCOPY . /",
        &Request { ignore, ..request() },
    )
    .expect("valid");
    let texts: Vec<&str> = plan.warnings.iter().map(|warning| &*warning.text).collect();
    assert_eq!(
        texts,
        [
            "Attempting to Copy file \"secret/x\" that is excluded by .dockerignore",
            "Attempting to Add file \"b.log\" that is excluded by .dockerignore"
        ]
    );
}

#[test]
fn a_check_looks_at_all_stages_and_needs_no_image() {
    let request = Request { check_only: true, ..request() };
    let plan =
        plan_with("FROM nowhere AS a\nENV X=$FROM_THE_BASE\nWORKDIR rel\nFROM scratch\nCMD x", &request)
            .expect("valid");
    let rules: Vec<&str> = plan.warnings.iter().map(|warning| warning.rule.name()).collect();
    assert_eq!(rules, ["WorkdirRelativePath", "JSONArgsRecommended"]);
}

#[test]
fn checks_are_turned_off_by_a_build_argument() {
    let request = with_arguments(&[("BUILDKIT_DOCKERFILE_CHECK", "skip=all;error=true")]);
    let plan = plan_with("FROM debian AS A\nCMD x", &request).expect("valid");
    assert!(plan.warnings.is_empty() && plan.warnings_are_errors);
    let bad = with_arguments(&[("BUILDKIT_DOCKERFILE_CHECK", "nonsense")]);
    assert!(plan_with("FROM debian", &bad).is_err());
}

fn surroundings() -> Surroundings {
    Surroundings { platform: request().platform, network: "default".to_owned(), hosts: Vec::new() }
}

fn run_key(text: &str) -> Digest {
    runs(&plan(&format!("FROM debian\n{text}")))[0].key(Some(&chain(1)), &[], &surroundings())
}

fn chain(byte: u8) -> ChainId {
    ChainId::new(Digest::from_bytes([byte; 32]))
}

#[test]
fn keys_of_commands_hold_what_can_change_a_result_and_nothing_else() {
    let plain = run_key("RUN x");
    for text in [
        "RUN y",
        "RUN [\"x\"]",
        "ENV A=1\nRUN x",
        "ARG A=1\nRUN x",
        "WORKDIR /w\nRUN x",
        "USER u\nRUN x",
        "SHELL [\"/bin/bash\", \"-c\"]\nRUN x",
        "RUN --network=none x",
        "RUN --network=host x",
        "RUN --mount=type=cache,target=/c x",
        "RUN --mount=type=secret,id=s x",
        "RUN --mount=type=tmpfs,target=/c x",
    ] {
        assert_ne!(run_key(text), plain, "{text}");
    }
    for text in [
        "LABEL a=b\nRUN x",
        "CMD [\"c\"]\nRUN   x",
        "EXPOSE 1\nVOLUME /v\nRUN x",
        "ARG UNSET\nRUN x",
        "# c\nRUN \\\n x",
    ] {
        assert_eq!(run_key(text), plain, "{text}");
    }
    assert_ne!(
        run_key("RUN --mount=type=cache,target=/c,id=a x"),
        run_key("RUN --mount=type=cache,target=/c,id=b x")
    );
    let run = &runs(&plan("FROM debian\nRUN x"))[0];
    assert_ne!(run.key(Some(&chain(2)), &[], &surroundings()), plain);
    assert_ne!(run.key(None, &[], &surroundings()), plain);
    let hosts = Surroundings { hosts: vec!["a:1.2.3.4".to_owned()], ..surroundings() };
    assert_ne!(run.key(Some(&chain(1)), &[], &hosts), plain);
    let network = Surroundings { network: "none".to_owned(), ..surroundings() };
    assert_ne!(run.key(Some(&chain(1)), &[], &network), plain);
}

#[test]
fn keys_of_copies_hold_contents_and_not_names_of_sources() {
    let key =
        |text: &str, content: u8| copy_of(text).key(Some(&chain(1)), &[Digest::from_bytes([content; 32])]);
    let plain = key("COPY a /d", 1);
    assert_eq!(key("COPY ./a /d", 1), plain);
    assert_ne!(key("COPY a /d", 2), plain);
    for text in [
        "COPY a /e",
        "COPY a /d/",
        "COPY --chown=1 a /d",
        "COPY --chmod=700 a /d",
        "ADD a /d",
        "COPY --exclude=x a /d",
    ] {
        assert_ne!(key(text, 1), plain, "{text}");
    }
}
