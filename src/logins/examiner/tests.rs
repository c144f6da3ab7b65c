use super::*;

const FORM: &str = "application/x-www-form-urlencoded";

fn headers(content_type: &str) -> HeaderMap {
    HeaderMap::from_iter([(header::CONTENT_TYPE, content_type.parse().unwrap())])
}

/// Examines a request whose body arrives in pieces of one size.
fn examined(target: &str, content_type: &str, body: &[u8], piece: usize) -> Option<Login> {
    let mut examiner = Examiner::new(&target.parse().unwrap(), &headers(content_type));
    body.chunks(piece).for_each(|bytes| examiner.feed(bytes));
    examiner.finish()
}

fn login(target: &str, content_type: &str, body: &str) -> Option<Login> {
    let whole = examined(target, content_type, body.as_bytes(), usize::MAX);
    assert_eq!(whole, examined(target, content_type, body.as_bytes(), 1), "{body}");
    whole
}

fn certain(user: &str) -> Option<Login> {
    Some(Login { user: Some(user.into()), is_certain: true })
}

fn of(user: &str) -> Option<Login> {
    Some(Login { user: Some(user.into()), is_certain: false })
}

const UNREADABLE: Option<Login> = Some(Login { user: None, is_certain: false });

#[test]
fn frappes_own_page_and_programs_log_in() {
    let fields = "cmd=login&usr=a%40b.example&pwd=x&device=desktop";
    assert_eq!(login("/login", FORM, fields), certain("a@b.example"));
    assert_eq!(
        login("/", "application/x-www-form-urlencoded; charset=UTF-8", fields),
        certain("a@b.example")
    );
    assert_eq!(login("/api/method/login", FORM, "usr=Administrator&pwd=x"), certain("administrator"));
    let json = r#"{"usr": "Administrator", "pwd": "x"}"#;
    assert_eq!(login("/api/method/login", "application/json", json), certain("administrator"));
    assert_eq!(login("/", FORM, "cmd=login&otp=123456&tmp_id=ab12"), certain("tmp_id ab12"));
}

#[test]
fn other_requests_are_no_logins() {
    for (target, content_type, body) in [
        ("/login", FORM, ""),
        ("/login?redirect-to=/app", "", ""),
        ("/api/method/ping", FORM, "cmd=frappe.ping&usr=a"),
        ("/api/method/frappe.auth.get_logged_user", "", ""),
        ("/api/resource/login", FORM, "doctype=login"),
        ("/", "application/json", r#"{"doc": {"cmd": "login"}, "a": "cmd", "b": "login"}"#),
        ("/", "application/json", r#"[{"cmd": "login"}]"#),
        ("/", "application/octet-stream", "cmd=login"),
        (
            "/",
            "multipart/form-data; boundary=b",
            "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nx\r\nlogin\r\n--b--",
        ),
        ("/app/login", "", ""),
        ("/?cmd=logins", FORM, "cmd=log&cmd=in&xcmd=login&cmdx=login"),
    ] {
        let is_resource = target == "/api/resource/login";
        assert_eq!(login(target, content_type, body).is_some(), is_resource, "{target} {body}");
    }
}

#[test]
fn no_way_of_writing_hides_a_login() {
    for target in [
        "/api/method/login",
        "//api//method/login/",
        "/%61pi/method/%6cogin",
        "/api/v1/method/login",
        "/api/v2/method/login",
        "/api%2fmethod/login",
        "/api/method/frappe.integrations.doctype.ldap_settings.ldap_settings.login/x",
        "/anything?cmd=login",
        "/files/a?x&%63%6D%64=%6cogin&cmd=ping",
        "/?cmd=ping&cmd=login",
        "/?cmd=app.api.login",
    ] {
        assert!(login(target, "", "").is_some(), "{target}");
    }
    for (content_type, body) in [
        (FORM, "a=1&cmd=login"),
        (FORM, "&&=&cmd=ping&%63m%64=log%69n"),
        ("APPLICATION/X-WWW-FORM-URLENCODED;charset=utf-7", "cmd=login"),
        ("application/json", r#"{"a":[{"b":NaN}],"c":"\"}","\u0063md":"log\u0069n"}"#),
        ("application/json", r#"{"a":"\ud800","cmd" : "login"}"#),
        ("application/json", r#"{"cmd":"ping","cmd":"login"}"#),
        ("application/vnd.api+json; charset=utf-8", "{\n\t\"cmd\"\r\n:\"login\"}"),
        (
            "multipart/form-data; boundary=b",
            "--b\r\nContent-Disposition: form-data; name=\"cmd\"\r\n\r\nlogin\r\n--b--\r\n",
        ),
        (
            "multipart/form-data; boundary=b",
            "--b\nContent-Disposition: form-data;\n name*=utf-8''%63md\n\nlogin\n--b--",
        ),
        ("multipart/form-data; boundary=b", "--b\rContent-Disposition: form-data; name=cmd\r\rlogin\r--b--"),
    ] {
        assert!(login("/", content_type, body).is_some(), "{content_type} {body}");
    }
}

#[test]
fn padding_of_any_size_hides_no_login() {
    let padding = "x".repeat(3 << 20);
    for (content_type, body) in [
        (FORM, format!("a={padding}&cmd=login&usr=u")),
        (FORM, format!("{}cmd=login&usr=u", "a=b&".repeat(300_000))),
        ("application/json", format!(r#"{{"a":"{padding}","cmd":"login","usr":"u"}}"#)),
    ] {
        let found = examined("/", content_type, body.as_bytes(), 8192);
        assert_eq!(found, certain("u"), "{}", &body[..30]);
    }
    let parts = format!(
        "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n{padding}\r\n--b\r\nContent-Disposition: form-data; name=\"cmd\"\r\n\r\nlogin\r\n--b--\r\n"
    );
    assert_eq!(examined("/", "multipart/form-data; boundary=b", parts.as_bytes(), 8191), UNREADABLE);
}

#[test]
fn a_user_who_cannot_be_read_is_one_for_all() {
    let long = format!("cmd=login&usr={}", "u".repeat(3_000));
    for (content_type, body) in [
        (FORM, "cmd=login&pwd=x"),
        (FORM, "cmd=login&usr=decoy&usr=victim"),
        (FORM, "cmd=login&usr=decoy&tmp_id=ab12"),
        (FORM, &long),
        ("application/json", r#"{"cmd":"login","usr":["=","victim"]}"#),
        ("application/json", r#"{"cmd":"login","usr":"decoy","\u0075sr":"victim"}"#),
        ("application/json", r#"{"cmd":"login","usr":"a\ud800"}"#),
        (
            "multipart/form-data; boundary=b",
            "--b\r\nContent-Disposition: form-data; name=\"usr\"\r\n\r\nu\r\n--b\r\nContent-Disposition: form-data; name=\"cmd\"\r\n\r\nlogin\r\n--b--",
        ),
    ] {
        assert_eq!(login("/", content_type, body), UNREADABLE, "{body}");
    }
    assert_eq!(login("/?usr=decoy", FORM, "cmd=login&usr=victim"), UNREADABLE);
}

#[test]
fn a_success_is_the_users_only_if_frappe_certainly_read_the_same() {
    for (target, content_type, body) in [
        ("/?cmd=login&usr=u", "", ""),
        ("/?cmd=login", "application/json", r#"{"usr":"u"}"#),
        ("/?cmd=login", FORM, "usr=u"),
        ("/", FORM, "cmd=login&cmd=ping&usr=u"),
        ("/", FORM, "cmd=app.login&usr=u"),
        ("/api/method/ping", "application/xjson", r#"{"cmd":"login","usr":"u"}"#),
        ("/api/v2/method/login", FORM, "usr=u"),
        ("/api/method/login", FORM, "usr=u&cmd=ping"),
    ] {
        if body != "cmd=app.login&usr=u" {
            assert_eq!(login(target, content_type, body), of("u"), "{target} {body}");
        }
    }
    let mut two_types = headers(FORM);
    two_types.append(header::CONTENT_TYPE, "application/json".parse().unwrap());
    let mut examiner = Examiner::new(&"/".parse().unwrap(), &two_types);
    examiner.feed(b"cmd=login&usr=u");
    assert_eq!(examiner.finish(), of("u"));
}

proptest::proptest! {
    #[test]
    fn the_size_of_the_pieces_does_not_matter(
        body in "(cmd|usr|login|=|&|%6c|\\+|\"|:|,|\\{|\\}|\\[|\\]|\\\\|\\\\u0063| |\r\n|\n|\r|--b|x){0,40}",
        kind in 0usize..3,
        piece in 1usize..9,
    ) {
        let content_type = [FORM, "application/json", "multipart/form-data; boundary=b"][kind];
        let whole = examined("/", content_type, body.as_bytes(), usize::MAX);
        proptest::prop_assert_eq!(whole, examined("/", content_type, body.as_bytes(), piece));
    }

    #[test]
    fn each_login_of_a_json_encoder_is_found(user in "[a-z\\\\\"\u{e9}]{1,20}", other in ".{0,30}") {
        let body = serde_json::json!({"a": other, "cmd": "login", "usr": user, "z": {"usr": "w", "cmd": "ping"}});
        let found = examined("/", "application/json", body.to_string().as_bytes(), 3);
        let expected = String::from_utf8(folded(user.as_bytes())).unwrap();
        proptest::prop_assert_eq!(found, certain(&expected));
    }
}
