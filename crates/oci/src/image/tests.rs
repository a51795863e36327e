//! Tests of manifests, indexes and configurations as Docker, buildkit and hostile people write them.

use super::{Document, ImageConfig, InvalidDocument, Platform, parse_document};

fn digest(n: u8) -> String {
    format!("sha256:{}", format!("{n:02x}").repeat(32))
}

#[test]
fn manifest_and_index_are_told_apart() {
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json",
        "config":{{"mediaType":"c","size":7,"digest":"{}"}},
        "layers":[{{"mediaType":"l","size":3,"digest":"{}","annotations":null}}]}}"#,
        digest(1),
        digest(2)
    );
    let Document::Manifest(manifest) = parse_document(manifest.as_bytes()).unwrap() else { panic!() };
    assert_eq!((manifest.config.size, manifest.layers.len()), (7, 1));
    let index = format!(
        r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"m","size":1,"digest":"{}",
        "platform":{{"architecture":"arm64","os":"linux","variant":"v8","os.features":["x"]}}}}]}}"#,
        digest(3)
    );
    let Document::Index(index) = parse_document(index.as_bytes()).unwrap() else { panic!() };
    assert_eq!(index.manifests[0].platform.as_ref().unwrap().to_string(), "linux/arm64/v8");
    assert!(matches!(parse_document(br#"{"schemaVersion":2,"manifests":null}"#), Ok(Document::Index(_))));
}

#[test]
fn cve_2021_41190_ambiguous_documents_are_refused() {
    let both = br#"{"schemaVersion":2,"layers":[],"manifests":[]}"#;
    assert!(matches!(parse_document(both), Err(InvalidDocument::Ambiguous)));
    let config = br#"{"schemaVersion":2,"config":null,"manifests":[]}"#;
    assert!(matches!(parse_document(config), Err(InvalidDocument::Ambiguous)));
    let lies =
        br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","manifests":[]}"#;
    assert!(matches!(parse_document(lies), Err(InvalidDocument::MediaType(_))));
    let twice = br#"{"schemaVersion":2,"manifests":[],"manifests":[]}"#;
    assert!(matches!(parse_document(twice), Err(InvalidDocument::Json { .. })));
    assert!(matches!(parse_document(br#"{"schemaVersion":2}"#), Err(InvalidDocument::Neither)));
    let old = br#"{"schemaVersion":1,"fsLayers":[]}"#;
    assert!(matches!(parse_document(old), Err(InvalidDocument::SchemaVersion(1))));
}

#[test]
fn cve_2021_21285_malformed_documents_are_errors() {
    let deep = format!("{{\"layers\":{}", "[".repeat(100_000));
    let negative =
        format!(r#"{{"schemaVersion":2,"config":{{"digest":"{}","size":-1}},"layers":[]}}"#, digest(1));
    for bytes in
        ["", "null", "[]", "{", "7", "\"x\"", &deep, &negative, "{\"schemaVersion\":1e99}", "\u{feff}{}"]
    {
        assert!(parse_document(bytes.as_bytes()).is_err());
        assert!(ImageConfig::parse(bytes.as_bytes()).is_err());
    }
}

#[test]
fn docker_configuration_round_trips() {
    let text = format!(
        r#"{{"architecture":"amd64","config":{{"Hostname":"","AttachStdin":false,"ExposedPorts":{{"80/tcp":{{}}}},
        "Env":["PATH=/bin"],"Cmd":["sh"],"Healthcheck":{{"Test":["CMD-SHELL","true"],"Interval":5000000000}},
        "ArgsEscaped":true,"Image":"sha256:x","Volumes":null,"WorkingDir":"/w","Entrypoint":null,
        "OnBuild":["RUN x"],"Labels":null,"StopSignal":"SIGINT","StopTimeout":9,"Shell":["/bin/ash","-c"]}},
        "created":"2024-01-02T03:04:05.678Z","os":"linux","rootfs":{{"type":"layers","diff_ids":["{}"]}},
        "history":[{{"created":"2024-01-02T03:04:05Z","created_by":"CMD","empty_layer":true}}],"moby.x":1}}"#,
        digest(4)
    );
    let config = ImageConfig::parse(text.as_bytes()).unwrap();
    assert_eq!(config.config.exposed_ports.iter().collect::<Vec<_>>(), ["80/tcp"]);
    assert_eq!((config.config.stop_timeout, &*config.config.stop_signal), (Some(9), "SIGINT"));
    assert_eq!(config.config.healthcheck.as_ref().unwrap().interval, 5_000_000_000);
    assert!(config.history[0].empty_layer && config.config.entrypoint.is_none());
    let again = serde_json::to_vec(&config).unwrap();
    assert_eq!(ImageConfig::parse(&again).unwrap(), config);
    assert!(String::from_utf8(again).unwrap().contains(r#""ExposedPorts":{"80/tcp":{}}"#));
    let kind = r#"{"rootfs":{"type":"windows","diff_ids":[]}}"#;
    assert!(matches!(ImageConfig::parse(kind.as_bytes()), Err(InvalidDocument::RootFs(_))));
}

#[test]
fn platforms_are_matched_as_docker_does() {
    let parse = |text: &str| text.parse::<Platform>().unwrap();
    assert!(parse("linux/arm64/v8").satisfies(&parse("arm64")));
    assert!(parse("linux/amd64").satisfies(&parse("x86_64")));
    assert!(!parse("linux/arm/v6").satisfies(&parse("linux/arm/v7")));
    assert!(!parse("windows/amd64").satisfies(&parse("linux/amd64")));
    for bad in ["", "a/b/c/d", "linux/", "linux/../x"] {
        assert!(bad.parse::<Platform>().is_err(), "{bad}");
    }
}
