-- What was written outside of the hub about its audit. Only a copy: what counts is outside.
-- Locks: none, the table is new.

create table audit_anchor (
    number integer primary key,
    last   bigint not null unique,                  -- the newest event that it covers
    line   text not null                            -- as it is outside, byte for byte
);
create trigger only_added before update or delete on audit_anchor
    for each row execute function refuse_change();
create trigger never_emptied before truncate on audit_anchor
    for each statement execute function refuse_change();
