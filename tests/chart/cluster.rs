//! As much of an API server as Helm needs to install, upgrade, roll back and look up: objects in memory, and the rules that a
//! release meets (a claim's fields do not change, nor a Deployment's selector; ingress-nginx takes a host and path once).

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};

use super::discovery::{discovery, kind_of};
use super::rules::{merge, refusal, settle};

pub const NAMESPACE: &str = "cauldron";

#[derive(Default)]
struct State {
    /// By the name of the kind in paths, and the object's own.
    objects: BTreeMap<(String, String), Value>,
    deleted: Vec<String>,
    /// `deployments/name` whose next change fails.
    failing: Option<String>,
    changes: u64,
}

/// One cluster with one namespace.
pub struct Cluster {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Cluster {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(Mutex::new(State::default()));
        let served = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let served = served.clone();
                std::thread::spawn(move || serve(&stream, &served));
            }
        });
        Self { address, state }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("the state")
    }

    /// Every object of the release's own as `Kind/name`, Helm's records left out.
    pub fn objects(&self) -> Vec<String> {
        let state = self.state();
        let own = state.objects.values().filter(|object| object["type"] != "helm.sh/release.v1");
        let mut names: Vec<String> = own.map(called).collect();
        names.sort();
        names
    }

    pub fn get(&self, plural: &str, name: &str) -> Option<Value> {
        self.state().objects.get(&(plural.to_owned(), name.to_owned())).cloned()
    }

    /// As a user does it: kubectl apply.
    pub fn put(&self, plural: &str, mut object: Value) {
        let name = object["metadata"]["name"].as_str().expect("a name").to_owned();
        let mut state = self.state();
        state.changes += 1;
        settle(&mut object, None, state.changes);
        state.objects.insert((plural.to_owned(), name), object);
    }

    /// As a user does it: kubectl delete.
    pub fn delete(&self, plural: &str, name: &str) {
        self.state().objects.remove(&(plural.to_owned(), name.to_owned())).expect("an object");
    }

    /// What was deleted since the last question, as `Kind/name`.
    pub fn deleted(&self) -> Vec<String> {
        std::mem::take(&mut self.state().deleted)
    }

    /// The next change of this object (`deployments/name`) fails.
    pub fn fail(&self, path: &str) {
        self.state().failing = Some(path.to_owned());
    }
}

pub fn called(object: &Value) -> String {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    format!("{}/{}", text(&object["kind"]), text(&object["metadata"]["name"]))
}

/// Status and body, for one request.
pub type Answer = (u16, Value);

pub fn status(code: u16, reason: &str, message: &str) -> Answer {
    let failed = if code < 300 { "Success" } else { "Failure" };
    let body = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": failed, "reason": reason,
        "message": message, "code": code});
    (code, body)
}

impl State {
    fn answer(&mut self, method: &str, target: &str, body: &[u8]) -> Answer {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        if let Some(found) = discovery(path) {
            return (200, found);
        }
        let words: Vec<&str> = path.trim_matches('/').split('/').collect();
        let Some(at) = words.iter().position(|word| *word == "namespaces") else {
            return status(404, "NotFound", path);
        };
        let prefix = format!("/{}", words[..at].join("/"));
        match words[at + 1..] {
            [name] => (200, json!({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": name}})),
            [_, plural] if method == "GET" => (200, self.list(plural, query)),
            [_, plural] => self.create(plural, parse(body)),
            [_, plural, name] => self.change(method, (plural.to_owned(), name.to_owned()), parse(body)),
            _ => status(404, "NotFound", &prefix),
        }
    }

    fn list(&self, plural: &str, query: &str) -> Value {
        let selector = query.split('&').find_map(|part| part.strip_prefix("labelSelector="));
        let selector = selector.unwrap_or_default().replace("%3D", "=").replace("%2C", ",");
        let wanted: Vec<(&str, &str)> = selector.split(',').filter_map(|part| part.split_once('=')).collect();
        let fits = |object: &Value| {
            wanted
                .iter()
                .all(|(key, value)| object["metadata"]["labels"][*key] == value.trim_start_matches('='))
        };
        let found = self.objects.iter().filter(|((of, _), object)| of == plural && fits(object));
        let items: Vec<&Value> = found.map(|(_, object)| object).collect();
        let (version, kind) = kind_of(plural);
        json!({"kind": format!("{kind}List"), "apiVersion": version, "metadata": {"resourceVersion": "1"},
            "items": items})
    }

    fn create(&mut self, plural: &str, mut object: Value) -> Answer {
        let name = object["metadata"]["name"].as_str().expect("a name").to_owned();
        let key = (plural.to_owned(), name);
        if self.objects.contains_key(&key) {
            return status(409, "AlreadyExists", &format!("{plural} \"{}\" already exists", key.1));
        }
        if let Some(refusal) = refusal(self.objects.values(), &object, None) {
            return refusal;
        }
        self.changes += 1;
        settle(&mut object, None, self.changes);
        self.objects.insert(key, object.clone());
        (201, object)
    }

    fn change(&mut self, method: &str, key: (String, String), given: Value) -> Answer {
        let path = format!("{}/{}", key.0, key.1);
        if method != "GET" && self.failing.as_ref() == Some(&path) {
            self.failing = None;
            return status(500, "InternalError", "this change was meant to fail");
        }
        let Some(old) = self.objects.get(&key).cloned() else {
            return match method {
                "PATCH" => self.create(&key.0, given),
                _ => status(404, "NotFound", &format!("{path} not found")),
            };
        };
        let mut new = match method {
            "GET" => return (200, old),
            "DELETE" => {
                self.deleted.push(called(&old));
                self.objects.remove(&key);
                return status(200, "", "");
            }
            "PATCH" => {
                let mut new = old.clone();
                match given {
                    // Helm 4 takes the fields over from Helm 3's way of writing.
                    Value::Array(steps) => {
                        let owners = steps.iter().find(|step| step["path"] == "/metadata/managedFields");
                        new["metadata"]["managedFields"] = owners.expect("owners of fields")["value"].clone();
                    }
                    given => merge(&mut new, given),
                }
                new
            }
            _ => given,
        };
        if let Some(refusal) = refusal(self.objects.values(), &new, Some(&old)) {
            return refusal;
        }
        self.changes += 1;
        settle(&mut new, Some(&old), self.changes);
        self.objects.insert(key, new.clone());
        (200, new)
    }
}

fn parse(body: &[u8]) -> Value {
    super::protobuf::secret(body).or_else(|| serde_json::from_slice(body).ok()).unwrap_or_default()
}

/// The requests of one connection, until it is closed.
fn serve(stream: &TcpStream, state: &Mutex<State>) {
    let mut reader = BufReader::new(stream);
    while let Some((method, target, body)) = request(&mut reader) {
        let (code, body) = state.lock().expect("the state").answer(&method, &target, &body);
        let body = body.to_string();
        let head = format!(
            "HTTP/1.1 {code} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let mut stream = stream;
        if stream.write_all((head + &body).as_bytes()).is_err() {
            return;
        }
    }
}

fn request(reader: &mut impl BufRead) -> Option<(String, String, Vec<u8>)> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.split_once(':') else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((method, target, body))
}
