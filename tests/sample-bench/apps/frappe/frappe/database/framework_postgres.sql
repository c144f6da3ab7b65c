-- The eleven tables that are there before any DocType is synced. Names are Frappe's, columns only what is used here.

DROP TABLE IF EXISTS "tabDocField";
CREATE TABLE "tabDocField" (
  "name" varchar(255) NOT NULL,
  "creation" timestamp(6) DEFAULT NULL,
  "modified" timestamp(6) DEFAULT NULL,
  "modified_by" varchar(255) DEFAULT NULL,
  "owner" varchar(255) DEFAULT NULL,
  "docstatus" smallint NOT NULL DEFAULT 0,
  "idx" bigint NOT NULL DEFAULT 0,
  "parent" varchar(255),
  "parentfield" varchar(255),
  "parenttype" varchar(255),
  "fieldname" varchar(255),
  "label" varchar(255),
  "fieldtype" varchar(255),
  "options" text,
  "search_index" smallint NOT NULL DEFAULT 0,
  "hidden" smallint NOT NULL DEFAULT 0,
  "reqd" smallint NOT NULL DEFAULT 0,
  PRIMARY KEY ("name")
);

DROP TABLE IF EXISTS "tabDocPerm";
CREATE TABLE "tabDocPerm" (
  "name" varchar(255) NOT NULL,
  "creation" timestamp(6) DEFAULT NULL,
  "modified" timestamp(6) DEFAULT NULL,
  "modified_by" varchar(255) DEFAULT NULL,
  "owner" varchar(255) DEFAULT NULL,
  "docstatus" smallint NOT NULL DEFAULT 0,
  "idx" bigint NOT NULL DEFAULT 0,
  "parent" varchar(255),
  "parentfield" varchar(255),
  "parenttype" varchar(255),
  "role" varchar(255),
  "permlevel" bigint NOT NULL DEFAULT 0,
  "read" smallint NOT NULL DEFAULT 0,
  "write" smallint NOT NULL DEFAULT 0,
  "create" smallint NOT NULL DEFAULT 0,
  PRIMARY KEY ("name")
);

DROP TABLE IF EXISTS "tabDocType Action";
CREATE TABLE "tabDocType Action" (
  "name" varchar(255) NOT NULL,
  "creation" timestamp(6) DEFAULT NULL,
  "modified" timestamp(6) DEFAULT NULL,
  "modified_by" varchar(255) DEFAULT NULL,
  "owner" varchar(255) DEFAULT NULL,
  "docstatus" smallint NOT NULL DEFAULT 0,
  "idx" bigint NOT NULL DEFAULT 0,
  "parent" varchar(255),
  "parentfield" varchar(255),
  "parenttype" varchar(255),
  "label" varchar(255),
  "group" varchar(255),
  "action_type" varchar(255),
  "action" text,
  PRIMARY KEY ("name")
);

DROP TABLE IF EXISTS "tabDocType Link";
CREATE TABLE "tabDocType Link" (
  "name" varchar(255) NOT NULL,
  "creation" timestamp(6) DEFAULT NULL,
  "modified" timestamp(6) DEFAULT NULL,
  "modified_by" varchar(255) DEFAULT NULL,
  "owner" varchar(255) DEFAULT NULL,
  "docstatus" smallint NOT NULL DEFAULT 0,
  "idx" bigint NOT NULL DEFAULT 0,
  "parent" varchar(255),
  "parentfield" varchar(255),
  "parenttype" varchar(255),
  "group" varchar(255),
  "link_doctype" varchar(255),
  "link_fieldname" varchar(255),
  PRIMARY KEY ("name")
);

DROP TABLE IF EXISTS "tabDocType";
CREATE TABLE "tabDocType" (
  "name" varchar(255) NOT NULL,
  "creation" timestamp(6) DEFAULT NULL,
  "modified" timestamp(6) DEFAULT NULL,
  "modified_by" varchar(255) DEFAULT NULL,
  "owner" varchar(255) DEFAULT NULL,
  "docstatus" smallint NOT NULL DEFAULT 0,
  "idx" bigint NOT NULL DEFAULT 0,
  "module" varchar(255),
  "custom" smallint NOT NULL DEFAULT 0,
  "issingle" smallint NOT NULL DEFAULT 0,
  "istable" smallint NOT NULL DEFAULT 0,
  "app" varchar(255),
  PRIMARY KEY ("name")
);

DROP TABLE IF EXISTS "tabFile";
CREATE TABLE "tabFile" (
  "name" varchar(255) NOT NULL,
  "creation" timestamp(6) DEFAULT NULL,
  "modified" timestamp(6) DEFAULT NULL,
  "modified_by" varchar(255) DEFAULT NULL,
  "owner" varchar(255) DEFAULT NULL,
  "docstatus" smallint NOT NULL DEFAULT 0,
  "idx" bigint NOT NULL DEFAULT 0,
  "file_name" varchar(255),
  "is_folder" smallint NOT NULL DEFAULT 0,
  "file_url" text,
  "folder" varchar(255),
  "is_private" smallint NOT NULL DEFAULT 0,
  PRIMARY KEY ("name")
);

DROP TABLE IF EXISTS "tabDefaultValue";
CREATE TABLE "tabDefaultValue" (
  "name" varchar(255) NOT NULL,
  "creation" timestamp(6) DEFAULT NULL,
  "modified" timestamp(6) DEFAULT NULL,
  "modified_by" varchar(255) DEFAULT NULL,
  "owner" varchar(255) DEFAULT NULL,
  "docstatus" smallint NOT NULL DEFAULT 0,
  "idx" bigint NOT NULL DEFAULT 0,
  "parent" varchar(255),
  "parentfield" varchar(255),
  "parenttype" varchar(255),
  "defkey" varchar(255),
  "defvalue" text,
  PRIMARY KEY ("name")
);

DROP TABLE IF EXISTS "tabSeries";
CREATE TABLE "tabSeries" (
  "name" varchar(100),
  "current" bigint NOT NULL DEFAULT 0,
  PRIMARY KEY ("name")
);

DROP TABLE IF EXISTS "tabSessions";
CREATE TABLE "tabSessions" (
  "user" varchar(255) DEFAULT NULL,
  "sid" varchar(255) DEFAULT NULL,
  "sessiondata" text,
  "ipaddress" varchar(16) DEFAULT NULL,
  "lastupdate" timestamp(6) DEFAULT NULL,
  "status" varchar(20) DEFAULT NULL
);

DROP TABLE IF EXISTS "tabSingles";
CREATE TABLE "tabSingles" (
  "doctype" varchar(255) DEFAULT NULL,
  "field" varchar(255) DEFAULT NULL,
  "value" text
);

DROP TABLE IF EXISTS "__Auth";
CREATE TABLE "__Auth" (
  "doctype" varchar(140) NOT NULL,
  "name" varchar(255) NOT NULL,
  "fieldname" varchar(140) NOT NULL,
  "password" text NOT NULL,
  "encrypted" int NOT NULL DEFAULT 0,
  PRIMARY KEY ("doctype", "name", "fieldname")
);
