-- People with roles in organisations, and the chain of what anybody did.
-- Locks: exclusive on api_key, for an instant.

create table person (
    id         text primary key,
    name       text not null,
    email      text unique,
    created_at timestamptz not null default now()
);

create table membership (
    person       text not null references person,
    organisation text not null references organisation,
    roles        text[] not null check (roles <@ array['data-officer', 'technician', 'steward',
                                                       'auditor', 'hub-administrator']),
    primary key (person, organisation)
);

-- A key speaks for an application, or for a person in one organisation.
alter table api_key
    alter column application drop not null,
    add column person       text,
    add column organisation text,
    add foreign key (person, organisation) references membership on delete cascade,
    add check ((application is null) = (person is not null)),
    add check ((person is null) = (organisation is null));

-- Who did what, when, why. Each event's hash covers the one before: nothing can be changed or left
-- out in the middle without every later hash being wrong.
create table audit_event (
    position      bigint primary key,
    at            timestamptz not null,
    actor         text not null,                    -- person:anna, application:dashboard, operator:root
    organisation  text,                             -- for which the actor acted
    action        text not null,                    -- agreement.accept
    subject       text not null,                    -- agreement/12
    organisations text[] not null,                  -- whom it concerns: they may read it
    reason        text not null,
    decision      text not null,                    -- the reference under which it is filed
    detail        text not null,                    -- JSON, as it was hashed
    previous      bytea not null,
    hash          bytea not null
);
create index on audit_event (subject, position);
create index on audit_event using gin (organisations);

create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'the audit is only ever added to';
end $$;
create trigger only_added before update or delete on audit_event
    for each row execute function refuse_change();
create trigger never_emptied before truncate on audit_event
    for each statement execute function refuse_change();

-- What a request with an Idempotency-Key was answered, so that it can be repeated.
create table idempotency (
    actor      text not null,
    key        text not null,
    request    bytea not null,                      -- SHA-256 of method, path and body
    status     integer not null,
    body       text not null,
    created_at timestamptz not null default now(),
    primary key (actor, key)
);
create index on idempotency (created_at);
