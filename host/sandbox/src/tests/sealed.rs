//! Compiled code is loaded if it is this host's own work, and else not.

use gavel_market::ids::Digest;

use super::{LIMITS, call, guest::Guest, name, pinged, small};
use crate::{NotSealed, Sandbox, SandboxSettings, Verdict};

/// A sandbox with a key; a new one for each start of a host.
fn started(key: u8) -> Sandbox {
    let settings = SandboxSettings {
        code_key: Some([key; 32]),
        concurrent_calls: 2,
        warm_instances: 2,
        reused_instances: 2,
        ..small()
    };
    Sandbox::new(settings).unwrap()
}

fn picky() -> Guest {
    let mut guest = Guest::filter();
    guest.qualify = guest.refusal("roof_shaded", "too dark");
    guest.describe =
        guest.description("picky", r#"{"type": "object", "x-codes": ["roof_shaded"]}"#);
    guest
}

#[tokio::test]
async fn after_a_restart_sealed_code_answers_as_before() {
    let (bytes, before) = (picky().module(), started(1));
    let plugin = before.load(&name(), &bytes, LIMITS).unwrap();
    let sealed = plugin.seal().unwrap().unwrap();
    let answer = plugin.qualify(&call(), &pinged()).await.unwrap().value;
    assert_ne!(answer, Verdict::Qualified);

    let after = started(1);
    assert_eq!(after.code_stamp(), before.code_stamp());
    drop((plugin, before));
    let digest = Digest::of(&bytes);
    let plugin = after.load_sealed(&name(), digest, &sealed, LIMITS).unwrap();
    assert_eq!(plugin.digest(), digest);
    assert_eq!(plugin.about().name, "picky");
    assert!(plugin.about().codes.contains("roof_shaded"));
    let again = plugin.qualify(&call(), &pinged()).await.unwrap().value;
    assert_eq!(again, answer);
    assert!(plugin.check_config(&call().account, "{}").await.is_ok());
    // What was loaded can be sealed again.
    let resealed = plugin.seal().unwrap().unwrap();
    assert!(
        after
            .load_sealed(&name(), digest, &resealed, LIMITS)
            .is_ok()
    );
}

#[test]
fn what_is_not_this_host_s_own_work_is_refused() {
    let (bytes, host) = (picky().module(), started(1));
    let digest = Digest::of(&bytes);
    let plugin = host.load(&name(), &bytes, LIMITS).unwrap();
    let sealed = plugin.seal().unwrap().unwrap();
    let refused = |host: &Sandbox, digest, sealed: &[u8]| {
        host.load_sealed(&name(), digest, sealed, LIMITS)
            .expect_err("it is refused")
    };

    // Compiled by this very engine, but without a seal: bare, and behind a seal of nothing.
    let bare = host
        .engine()
        .precompile_component(&component(&bytes))
        .unwrap();
    assert_eq!(refused(&host, digest, &bare), NotSealed::Broken);
    let behind_nothing = [&[0; 32][..], &bare].concat();
    assert_eq!(refused(&host, digest, &behind_nothing), NotSealed::Broken);
    assert_eq!(refused(&host, digest, b""), NotSealed::Broken);

    assert_eq!(
        refused(&host, Digest::of(b"another"), &sealed),
        NotSealed::OtherPlugin
    );
    assert_eq!(refused(&started(2), digest, &sealed), NotSealed::Broken);
    let keyless = super::sandbox();
    assert!(
        keyless
            .load(&name(), &bytes, LIMITS)
            .unwrap()
            .seal()
            .is_none()
    );
    assert_eq!(refused(keyless, digest, &sealed), NotSealed::NoKey);

    // A bit flipped or a byte missing, all over the file.
    for part in 0..256 {
        let at = sealed.len() * part / 256;
        let mut flipped = sealed.clone();
        flipped[at] ^= 1 << (part % 8);
        assert_eq!(refused(&host, digest, &flipped), NotSealed::Broken, "{at}");
        let cut = &sealed[..at];
        assert_eq!(refused(&host, digest, cut), NotSealed::Broken, "{at}");
    }
    assert!(host.load_sealed(&name(), digest, &sealed, LIMITS).is_ok());
}

#[test]
fn sealed_code_meets_the_gate_s_later_steps_again() {
    let large = Guest {
        pages: 12,
        ..Guest::filter()
    };
    let (bytes, host) = (large.module(), started(1));
    let plugin = host.load(&name(), &bytes, LIMITS).unwrap();
    let sealed = plugin.seal().unwrap().unwrap();
    let less = gavel_market::model::CallLimits {
        memory: 64 << 10,
        ..LIMITS
    };
    let refused = host.load_sealed(&name(), Digest::of(&bytes), &sealed, less);
    let NotSealed::Gate(error) = refused.unwrap_err() else {
        panic!("the gate refuses it")
    };
    assert_eq!(error.code(), "not_instantiable");
}

#[test]
fn the_stamp_names_the_whole_version_and_fits_a_file_s_name() {
    let stamp = super::sandbox().code_stamp();
    let (version, hash) = stamp.split_once('-').unwrap();
    assert_eq!(version.split('.').count(), 3, "{stamp}");
    assert!(version.starts_with("48."), "{stamp}");
    assert!(hash.len() == 24 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()));
}

#[test]
fn the_key_is_in_no_message() {
    let settings = SandboxSettings {
        code_key: Some([0xab; 32]),
        ..small()
    };
    let shown = format!("{settings:?}");
    assert!(
        !shown.contains("171") && !shown.contains("ab, ab"),
        "{shown}"
    );
}

fn component(module: &[u8]) -> Vec<u8> {
    let mut encoder = wit_component::ComponentEncoder::default();
    encoder.module(module).unwrap().encode().unwrap()
}
