//! Settings of the processes that serve the site: gunicorn, workers, the web port, the health port and their output.

use super::addresses::Addresses;
use super::front::{self, FrontConfig, RelatedSettings};
use super::gunicorn::{self, Gunicorn};
use super::listen::{self, Listen};
use super::log;
use super::place::Place;
use super::reader::Reader;
use super::workers::{self, Workers};
use crate::telemetry::ChildLogs;

pub struct Serving {
    pub gunicorn: Option<Gunicorn>,
    pub workers: Option<Workers>,
    pub front: Option<FrontConfig>,
    pub web_addr: Option<Listen>,
    pub redirect_addr: Option<Listen>,
    /// Some(None) has no health port; None is a problem.
    pub health_addr: Option<Option<Listen>>,
    pub child_logs: Option<ChildLogs>,
}

pub fn read(reader: &mut Reader<'_>, place: &Place, addresses: &Addresses, many_roles: bool) -> Serving {
    let gunicorn = gunicorn::read(reader);
    let workers = workers::read(reader, &place.files, &place.bench.clone().unwrap_or_default());
    let related = RelatedSettings {
        site: place.site.as_deref(),
        socketio_port: addresses.socketio_listen_port,
        gunicorn: gunicorn.as_ref(),
        site_url: addresses.site_url.as_deref(),
        files: &place.files,
    };
    Serving {
        front: front::read(reader, &related),
        gunicorn,
        workers,
        web_addr: listen::read(reader, "CAULDRON_WEB_ADDR", 8000),
        redirect_addr: listen::read_given(reader, "CAULDRON_REDIRECT_ADDR"),
        health_addr: listen::read_health_addr(reader),
        child_logs: log::read_child_logs(reader, many_roles),
    }
}
