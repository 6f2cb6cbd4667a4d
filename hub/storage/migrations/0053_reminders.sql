-- Both sides are reminded of an end, or of a review, once for each date that was agreed.
-- Locks: exclusive on agreement, for an instant.

alter table agreement
    add column reminded_of_end    timestamptz,
    add column reminded_of_review timestamptz;
