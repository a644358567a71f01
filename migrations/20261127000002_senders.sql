-- A sender's gifts by amount are chosen from the index alone: it takes the amounts in.
DROP INDEX transactions_by_sender;
CREATE INDEX transactions_by_sender ON transactions (hub_id, sender_key, counted_at, transaction_id)
    INCLUDE (counted_on, status, redeemed, currency, amount, value_key, opened_after, redeemed_after);
