//! `gavel plugin push`: a version to a running host, with its cases.

use gavel_market::ids::Digest;
use serde_json::Value;

use super::{
    cli::PushArgs,
    gate,
    host::{ok, short},
    local::{self, CaseFile},
};
use crate::{
    client::{AdminClient, query},
    out::{self, Failure},
    told::text,
};

/// Uploads, and says what the gate said.
pub(super) async fn run(args: &PushArgs) -> Result<(), Failure> {
    let bytes = local::bytes(&args.file)?;
    let cases = local::case_files(&args.cases)?;
    // What is wrong with a case is known here, before megabytes travel.
    for file in &cases {
        file.cases()?;
    }
    let upload = AdminClient::new(&args.admin)?;
    let mut pairs = args.limits.query();
    if args.activate {
        pairs.push(("activate", "true".to_owned()));
    }
    let path = query(&format!("plugins/{}", args.name), &pairs);
    let (content_type, body) = if cases.is_empty() {
        ("application/wasm".to_owned(), bytes)
    } else {
        multipart(&bytes, &cases)
    };
    let version = ok(upload.put(&path, &content_type, body).await?)?;
    if args.json {
        out::line(&serde_json::to_string_pretty(&version).unwrap_or_default());
        return Ok(());
    }
    for line in told(&version, args) {
        out::line(&line);
    }
    Ok(())
}

fn told(version: &Value, args: &PushArgs) -> Vec<String> {
    let mut lines = match &version["gate"] {
        Value::Null => Vec::new(),
        report => gate::lines(report),
    };
    let digest = short(&version["digest"]);
    let about = format!("{} {}", text(&version["kind"]), text(&version["version"]));
    lines.push(format!("{} {digest} passed the gate ({about})", args.name));
    lines.push(match &version["revision"] {
        Value::Null if version["active"] == Value::Bool(true) => {
            format!("{} {digest} is active", args.name)
        }
        Value::Null => format!(
            "make it decide with: gavel plugin activate {} {digest}",
            args.name
        ),
        revision => format!(
            "{} {digest} is active, since revision {revision}",
            args.name
        ),
    });
    lines
}

/// The plugin and its cases as `multipart/form-data` (RFC 7578).
fn multipart(bytes: &[u8], cases: &[CaseFile]) -> (String, Vec<u8>) {
    // Made from what is sent, so that it cannot stand in it by chance.
    let digests = cases.iter().map(|file| Digest::of(file.text.as_bytes()));
    let all: Vec<u8> = [Digest::of(bytes)]
        .into_iter()
        .chain(digests)
        .flat_map(|digest| digest.0)
        .collect();
    let boundary = format!("gavel-{}", Digest::of(&all));
    let mut body = Vec::with_capacity(bytes.len() + 4096);
    let mut part = |name: &str, file: &str, kind: &str, content: &[u8]| {
        // A name of a file may hold anything; these three would end the header.
        let file = file.replace(['"', '\r', '\n'], "_");
        let head = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{file}\"\r\nContent-Type: {kind}\r\n\r\n"
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    };
    part("plugin", "plugin.wasm", "application/wasm", bytes);
    for file in cases {
        let name = file.path.file_name().unwrap_or_default().to_string_lossy();
        let kind = match file
            .path
            .extension()
            .and_then(|extension| extension.to_str())
        {
            Some("json") => "application/json",
            _ => "application/toml",
        };
        part("cases", &name, kind, file.text.as_bytes());
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    (format!("multipart/form-data; boundary={boundary}"), body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_sent_is_what_a_host_reads() {
        let cases = [
            CaseFile {
                path: "cases/a.toml".into(),
                text: "[[case]]".to_owned(),
            },
            CaseFile {
                path: "b\".json".into(),
                text: "{}".to_owned(),
            },
        ];
        let bytes = b"\0asm\r\n--gavel-\r\n";
        let (content_type, body) = multipart(bytes, &cases);
        let boundary = multer::parse_boundary(content_type).unwrap();
        let stream = futures_util::stream::iter([Ok::<_, std::io::Error>(body)]);
        let mut read = multer::Multipart::new(stream, boundary);
        let mut parts = Vec::new();
        while let Some(field) = read.next_field().await.unwrap() {
            let name = field.name().unwrap().to_owned();
            let file = field.file_name().unwrap().to_owned();
            parts.push((name, file, field.bytes().await.unwrap().to_vec()));
        }
        let part = |name: &str, file: &str, content: &[u8]| {
            (name.to_owned(), file.to_owned(), content.to_vec())
        };
        assert_eq!(
            parts,
            [
                part("plugin", "plugin.wasm", bytes),
                part("cases", "a.toml", b"[[case]]"),
                part("cases", "b_.json", b"{}")
            ]
        );
    }
}
