--
-- PostgreSQL database dump
--

\restrict kNJLZB6N21l3GMONpHyW1K4h4y303TI66kSC6cAcF1fkSe4t9hlKRmL1McIXxDe

-- Dumped from database version 15.20 (Debian 15.20-0+deb12u1)
-- Dumped by pg_dump version 15.20 (Debian 15.20-0+deb12u1)

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: __cauldron_apps; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.__cauldron_apps (
    site text NOT NULL,
    app text NOT NULL,
    commit text,
    started timestamp with time zone NOT NULL,
    finished timestamp with time zone
);


--
-- Name: __cauldron_fingerprint; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.__cauldron_fingerprint (
    site text NOT NULL,
    fingerprint text NOT NULL,
    apps text,
    attempts integer DEFAULT 0 NOT NULL,
    last_attempt timestamp with time zone,
    last_error text,
    migrated timestamp with time zone,
    took_ms bigint,
    patches integer
);


--
-- Name: __cauldron_pins; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.__cauldron_pins (
    site text NOT NULL,
    list text NOT NULL,
    pins text NOT NULL,
    written timestamp with time zone NOT NULL
);


--
-- Name: __cauldron_state; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.__cauldron_state (
    site text NOT NULL,
    database_oid oid NOT NULL,
    system_identifier text,
    install_id text NOT NULL,
    instance text,
    phase text NOT NULL,
    attempt text,
    holder text,
    backend_pid integer,
    beat timestamp with time zone,
    doing text,
    started timestamp with time zone,
    finished timestamp with time zone,
    last_error text,
    step text,
    fingerprint text,
    landmark oid,
    gate text,
    CONSTRAINT __cauldron_state_phase_check CHECK ((phase = ANY (ARRAY['idle'::text, 'creating'::text, 'complete'::text])))
);


--
-- Data for Name: __cauldron_apps; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.__cauldron_apps (site, app, commit, started, finished) VALUES ('erp.test', 'shop', '9fe099e9e8c766a35a988034726050dacdebbbc1', '2026-11-28 22:59:23.671984+00', '2026-11-28 22:59:23.910124+00');


--
-- Data for Name: __cauldron_fingerprint; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.__cauldron_fingerprint (site, fingerprint, apps, attempts, last_attempt, last_error, migrated, took_ms, patches) VALUES ('erp.test', '70d07e1f86a25b3a98d7', '{"frappe":{"version":"15.55.1","commit":null}}', 0, NULL, NULL, '2026-11-28 22:59:23.216399+00', 0, 0);
INSERT INTO public.__cauldron_fingerprint (site, fingerprint, apps, attempts, last_attempt, last_error, migrated, took_ms, patches) VALUES ('erp.test', 'fba174df266620e11a6b', '{"frappe":{"version":"15.55.1","commit":null},"shop":{"version":"1.0.0","commit":null}}', 0, NULL, NULL, '2026-11-28 22:59:23.916341+00', 0, 0);


--
-- Data for Name: __cauldron_pins; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.__cauldron_pins (site, list, pins, written) VALUES ('erp.test', 'd0cad7949e210e01e944334c5c8711d8', '{"updates":[],"apps":[{"app":"shop","source":"file:///tmp/git-ygL5IK","reference":"branch main","commit":"9fe099e9e8c766a35a988034726050dacdebbbc1","bundle":".cauldron/bundles/shop/9fe099e9e8c766a35a988034726050dacdebbbc1-cpython-311-x86_64","install":true,"build":true}]}', '2026-11-28 22:59:23.658293+00');


--
-- Data for Name: __cauldron_state; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.__cauldron_state (site, database_oid, system_identifier, install_id, instance, phase, attempt, holder, backend_pid, beat, doing, started, finished, last_error, step, fingerprint, landmark, gate) VALUES ('erp.test', 16385, '7713357472648321152', 'mgtag84esxbhtkisn2nx', NULL, 'complete', 'vycxknhspcnqr4heaejr', NULL, NULL, '2026-11-28 22:59:23.277181+00', NULL, '2026-11-28 22:59:22.42239+00', '2026-11-28 22:59:23.224401+00', NULL, NULL, 'fba174df266620e11a6b', 16468, '{"stage":"open","quiet":false,"half":false,"target":null,"maintenance_ours":false,"backup":null,"error":null}');


--
-- Name: __cauldron_apps __cauldron_apps_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.__cauldron_apps
    ADD CONSTRAINT __cauldron_apps_pkey PRIMARY KEY (site, app);


--
-- Name: __cauldron_fingerprint __cauldron_fingerprint_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.__cauldron_fingerprint
    ADD CONSTRAINT __cauldron_fingerprint_pkey PRIMARY KEY (site, fingerprint);


--
-- Name: __cauldron_pins __cauldron_pins_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.__cauldron_pins
    ADD CONSTRAINT __cauldron_pins_pkey PRIMARY KEY (site, list);


--
-- Name: __cauldron_state __cauldron_state_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.__cauldron_state
    ADD CONSTRAINT __cauldron_state_pkey PRIMARY KEY (site);


--
-- PostgreSQL database dump complete
--

\unrestrict kNJLZB6N21l3GMONpHyW1K4h4y303TI66kSC6cAcF1fkSe4t9hlKRmL1McIXxDe

