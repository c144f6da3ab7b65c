//! The edges of new-site: the moments before each step, named after the last thing that was done.

/// The first action of the next step, at which the step can be held.
pub enum Next {
    /// Writes this shared catalogue.
    Catalogue(&'static str),
    /// Creates its first table.
    AnyTable,
    /// Creates this table.
    Table(&'static str),
    /// Inserts a row into this table for which the condition holds.
    Row(&'static str, &'static str),
    /// None: new-site returned.
    End,
}

pub struct Edge {
    pub name: &'static str,
    pub next: Next,
}

pub const EDGES: &[Edge] = &[
    Edge { name: "a_folders_and_config", next: Next::Catalogue("pg_database") },
    Edge { name: "b_dropped", next: Next::Catalogue("pg_authid") },
    Edge { name: "c_database", next: Next::AnyTable },
    Edge { name: "d_core_tables", next: Next::Table("__global_search") },
    Edge { name: "e_some_doctypes", next: Next::Row("tabDocType", "NEW.name = 'Installed Applications'") },
    Edge { name: "f_all_doctypes", next: Next::Row("tabDefaultValue", "NEW.defkey = 'installed_apps'") },
    Edge { name: "g_installed_apps", next: Next::Row("tabPatch Log", "true") },
    Edge { name: "h_patches_logged", next: Next::Row("tabUser", "NEW.name = 'Administrator'") },
    Edge { name: "i_administrator", next: Next::Row("__Auth", "NEW.name = 'Administrator'") },
    Edge { name: "j_password", next: Next::Row("tabScheduled Job Type", "true") },
    Edge {
        name: "k_scheduled_jobs",
        next: Next::Row(
            "tabSingles",
            "NEW.field = 'enable_scheduler' AND EXISTS (SELECT FROM public.\"tabScheduled Job Type\")",
        ),
    },
    Edge { name: "l_finished", next: Next::End },
];
