-- The policy that was noted last is found without reading the audit.
CREATE INDEX audit_in_force ON audit (tenant, sequence) WHERE deed = 'in_force';
