-- Agreements with everything on file: how they came about, and the versions that replaced them.
-- Locks: exclusive on feed and agreement while the columns are added; their rows are few.

-- Listed feeds can be asked for by those who have no right to them yet.
alter table feed add column listed boolean not null default false;

alter table agreement drop constraint agreement_state_check;
alter table agreement
    add constraint agreement_state_check check (state in (
        'draft', 'requested', 'offered', 'agreed', 'active', 'suspended', 'expired', 'terminated',
        'revoked', 'withdrawn', 'declined', 'superseded')),
    alter column valid_from drop not null,
    alter column valid_from drop default,
    add check (state not in ('active', 'suspended') or valid_from is not null),
    add column series            bigint,
    add column version           integer not null default 1,
    add column drafted_by        text not null default 'provider'
                                 check (drafted_by in ('provider', 'consumer')),
    add column review_at         timestamptz,
    add column notice            interval not null default interval '0'
                                 check (notice >= interval '0'),
    add column notice_given_at   timestamptz,
    add column onward_sharing    boolean not null default false,
    add column cost_share        text not null default '',
    add column decision          text not null default '',
    add column provider_approver text,
    add column consumer_approver text,
    add column changed_at        timestamptz not null default now();

-- A series is known by its first version.
update agreement set series = id;
alter table agreement alter column series set not null;
create unique index on agreement (series, version);
create function begin_series() returns trigger language plpgsql as $$
begin
    new.series := coalesce(new.series, new.id);
    return new;
end $$;
create trigger begin_series before insert on agreement
    for each row execute function begin_series();
