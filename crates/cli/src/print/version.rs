//! What this engine is.

use std::iter::once;

use engine::request::view::VersionView;
use serde_json::{Value, json};

use super::rows::{Row, formatted};
use crate::grammar::format::Format;
use crate::template;

/// Returns the text of `version`. Client and server are one program; both are named so that
/// scripts written for Docker find either.
pub fn version(view: &VersionView, format: &Format) -> template::Result<String> {
    let VersionView { version, os, architecture, kernel, commit, runtime_spec } = view;
    let commit = commit.as_deref().unwrap_or("unknown");
    let text = || {
        format!(
            "Coracle Engine (client and server are one program):
 Version:           {version}
 Git commit:        {commit}
 OCI runtime spec:  {runtime_spec}
 OS/Arch:           {os}/{architecture}
 Kernel:            {kernel}
"
        )
    };
    Ok(formatted(format, &[], once(Row::new(object(view))))?.unwrap_or_else(text))
}

/// What templates ask Docker for is there; what no program of ours has is empty.
fn object(view: &VersionView) -> Value {
    let VersionView { version, os, architecture, kernel, commit, runtime_spec } = view;
    let facts = json!({
        "Version": version,
        "Os": os,
        "Arch": architecture,
        "KernelVersion": kernel,
        "GitCommit": commit.as_deref().unwrap_or("unknown"),
        "RuntimeSpec": runtime_spec,
        "Platform": { "Name": "Coracle" },
        "APIVersion": "",
        "ApiVersion": "",
        "BuildTime": "",
        "Experimental": false,
        "GoVersion": "",
    });
    let (mut client, mut server) = (facts.clone(), facts.clone());
    client["Context"] = "default".into();
    client["DefaultAPIVersion"] = "".into();
    server["MinAPIVersion"] = "".into();
    server["Components"] = json!([{ "Name": "Engine", "Version": version, "Details": facts }]);
    json!({"Client": client, "Server": server})
}

#[cfg(test)]
#[test]
fn for_people_and_programs() {
    let view = VersionView {
        version: "0.1.0".to_owned(),
        os: "linux".to_owned(),
        architecture: "amd64".to_owned(),
        kernel: "6.18.0".to_owned(),
        commit: None,
        runtime_spec: "1.2.1".to_owned(),
    };
    insta::assert_snapshot!("version", version(&view, &Format::Text).unwrap());
    insta::assert_snapshot!("version_json", version(&view, &Format::Json).unwrap());
}
