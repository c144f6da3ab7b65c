use super::*;
use crate::sys::exit::Exit;

fn kind(errors: &[&str]) -> Kind {
    let errors = errors.iter().map(ToString::to_string).collect();
    classify(&Ran { exit: Some(Exit::Exited(1)), stdout: Vec::new(), errors }).kind
}

/// Messages of restic 0.14 and 0.18.
#[test]
fn messages_are_classified() {
    let at = "Is there a repository at the following location?";
    assert_eq!(
        kind(&["Fatal: unable to open config file: stat /b/config: no such file or directory", at, "/b"]),
        Kind::Absent
    );
    assert_eq!(
        kind(&["Fatal: repository does not exist: unable to open config file: stat /b/config: no such file"]),
        Kind::Absent
    );
    assert_eq!(
        kind(&["Fatal: unable to open config file: Stat: The specified key does not exist.", at]),
        Kind::Absent
    );
    assert_eq!(
        kind(&["Fatal: unable to open config file: Stat: The specified bucket does not exist", at]),
        Kind::NoBucket
    );
    assert_eq!(kind(&["Fatal: unable to open config file: Stat: Access Denied.", at]), Kind::NoRight);
    // AWS names the missing right instead of the code.
    let aws = "client.PutObject: User: arn:aws:iam::123456789012:user/erp is not authorized to perform: s3:PutObject \
               on resource: \"arn:aws:s3:::b/erp/locks/1\" because no identity-based policy allows the s3:PutObject action";
    assert_eq!(kind(&["Fatal: unable to create lock in backend", aws]), Kind::NoRight);
    assert_eq!(
        kind(&["Fatal: unable to open config file: Stat: Your account is not signed up"]),
        Kind::WrongCredentials
    );
    assert_eq!(kind(&["Fatal: wrong password or no key found"]), Kind::WrongPassword);
    assert_eq!(
        kind(&["Fatal: unable to save snapshot: write /b/tmp: no space left on device"]),
        Kind::DiskFull
    );
    assert_eq!(kind(&["dial tcp 127.0.0.1:9: connect: connection refused"]), Kind::Unreachable);
    assert_eq!(
        kind(&["unable to save snapshot: fs.TempFile: open /tmp/restic-temp-pack-1: permission denied"]),
        Kind::NoTempFolder
    );
    for bad in [
        "Fatal: parsing repository location failed: s3: bucket name not found",
        "Fatal: unable to open config file: client.GetObject: Bucket name cannot be shorter than 3 characters",
        "Fatal: unable to open config file: client.Head: Head \"h/config\": unsupported protocol scheme \"\"",
        "Fatal: unable to open repository at rclone:r:p: exec: \"rclone\": executable file not found in $PATH",
    ] {
        assert_eq!(kind(&[bad, at, "/b"]), Kind::BadPlace, "{bad}");
    }
    for missing in [
        "Fatal: unable to open B2 backend: Account ID ($B2_ACCOUNT_ID) is empty",
        "Fatal: unable to open repository at azure:c:/p: no azure authentication information found",
        "Fatal: unable to open repository at gs:b:/p: getStorageClient: google: could not find default credentials.",
    ] {
        assert_eq!(kind(&[missing]), Kind::WrongCredentials, "{missing}");
    }
    let ssh = "subprocess ssh: Host key verification failed.";
    assert_eq!(kind(&[ssh, "Fatal: unable to start the sftp session, error: EOF"]), Kind::Unreachable);
    for damaged in [
        "cannot dump file: ReadFull(<data/99e770d71a>): unexpected EOF",
        "loading tree for snapshot \"latest\" failed: ReadFull(<data/99e770d71a>): EOF",
        "cannot dump file: ReadFull(<data/99e770d71a>): open /b/data/99/99e7: no such file or directory",
        "Load(<data/99e770d71a>, 0, 0) failed: The specified key does not exist.",
        "Fatal: load <index/c82547d9e1>: invalid data returned",
        "loading tree for snapshot \"latest\" failed: id 384a3b5edd4a not found in repository",
        "Fatal: Unmarshal: unexpected end of JSON input",
        "config file has zero size, invalid repository?",
        "Fatal: config cannot be loaded: trying to decrypt invalid data: ciphertext too small",
        "Fatal: only supported KDF is scrypt()",
        "ignoring error for /a: StreamPack: open /b/data/99/99e7: no such file or directory",
    ] {
        assert_eq!(kind(&[damaged, "Fatal: There were 2 errors"]), Kind::Damaged, "{damaged}");
    }
    assert_eq!(kind(&["Post \"https://h/\": unexpected EOF"]), Kind::Other);
    assert_eq!(kind(&["Load(<data/99e770d71a>, 0, 0) failed: Get \"https://h/\": EOF"]), Kind::Other);
    assert_eq!(kind(&["something else"]), Kind::Other);
}

/// Lines of restic 0.14 for a login that may not write, and one that may not delete.
#[test]
fn the_line_that_tells_the_reason_is_shown() {
    let message = |errors: &[&str]| {
        let errors = errors.iter().map(ToString::to_string).collect();
        classify(&Ran { exit: Some(Exit::Exited(1)), stdout: Vec::new(), errors }).message
    };
    let lock = "Fatal: unable to create lock in backend";
    assert_eq!(message(&[lock, "Access Denied."]), "unable to create lock in backend: Access Denied.");
    let told = "Fatal: unable to open config file: Stat: Access Denied.";
    assert_eq!(message(&[told, "at"]), "unable to open config file: Stat: Access Denied.");
    assert_eq!(message(&["Access Denied.", "main.main", "\truntime/proc.go:250"]), "Access Denied.");
    assert_eq!(message(&["one", "two"]), "two");
    let unexpected =
        ["context deadline exceeded", "main.open", "\tglobal.go:760", "main.main", "\tmain.go:98"];
    assert_eq!(message(&unexpected), "context deadline exceeded");
}

#[test]
fn the_fatal_line_is_shown() {
    let errors = vec!["retrying".to_string(), "Fatal: no".into(), "/b".into()];
    let ran = |exit| Ran { exit, stdout: Vec::new(), errors: errors.clone() };
    assert_eq!(classify(&ran(Some(Exit::Exited(1)))).message, "no");
    assert_eq!(classify(&ran(None)).message, "no answer in time: no");
    let locked = "unable to create lock in backend: repository is already locked by PID 7 on vm";
    let errors =
        vec![locked.to_string(), "lock was created at 2026-11-30".into(), "the `unlock` command".into()];
    let ran = Ran { exit: Some(Exit::Exited(1)), stdout: Vec::new(), errors };
    assert_eq!(classify(&ran), Reason { kind: Kind::Locked, message: locked.into() });
}
