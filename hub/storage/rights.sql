-- Who may do what with which table. Run after every migration, by whoever migrates: what is not
-- said here is not allowed, also of tables that came later.

revoke all on all tables in schema public from stadsnav_ingest, stadsnav_api;
revoke all on all sequences in schema public from stadsnav_ingest, stadsnav_api;
grant usage on schema public to stadsnav_ingest, stadsnav_api;
grant usage, select on all sequences in schema public to stadsnav_ingest, stadsnav_api;
grant select on schema_migration to stadsnav_ingest, stadsnav_api;

-- The way in: it appends, knows the registry, and shuts devices out. A datastream's rule may be that
-- a correction replaces a reading, so it may change one; it deletes none.
grant select, insert, update on reading to stadsnav_ingest;
grant select, insert on batch to stadsnav_ingest;
grant select, insert, update, delete on rejection to stadsnav_ingest;  -- to lock what is replayed
grant select, insert, update on connector to stadsnav_ingest;
grant select, insert, update, delete on arrival, ingest_process to stadsnav_ingest;
grant select, insert, update on late_hour to stadsnav_ingest;
grant select on forgotten, retention to stadsnav_ingest;
-- Not on TimescaleDB Community, whose own policies keep account.
do $$ begin
    if to_regclass('rollup_progress') is not null then
        grant select on rollup_progress to stadsnav_ingest;
    end if;
end $$;
grant select on organisation, observed_property, device_credential to stadsnav_ingest;
grant select, insert, update on device to stadsnav_ingest;
grant select, insert on datastream, audit_event to stadsnav_ingest;

-- The way out: it reads, and writes what people decide over the API. No reading, no batch.
grant select on all tables in schema public to stadsnav_api;
grant insert, update on feed, agreement, application, api_key, person, membership, organisation,
    observed_property, device, datastream to stadsnav_api;
grant insert, update, delete on device_credential, idempotency to stadsnav_api;
grant delete on membership to stadsnav_api;
grant insert, update on business_area, proposal, platform to stadsnav_api;
grant insert, delete on business_area_steward, business_area_organisation, business_area_feed
    to stadsnav_api;
grant insert on decision, decision_member to stadsnav_api;
grant insert on audit_event to stadsnav_api;
