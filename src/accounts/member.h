/* accounts/member.h: which accounts and systems a smart rule holds, as SQL; for this folder only. The same as
 * identity/caller.c decides one by one. */
#pragma once

/* Rule r holds account m: by itself, or as one of a system's. */
#define RULE_HOLDS_ACCOUNT                                                                                             \
    " ((r.rule_type = 'ManagedAccount' AND (r.kind = 'all' OR EXISTS (SELECT 1 FROM smart_rule_members t"              \
    " WHERE t.rule_id = r.id AND t.member_id = m.id)))"                                                                \
    " OR (r.rule_type = 'ManagedSystem' AND (r.kind = 'all' OR EXISTS (SELECT 1 FROM smart_rule_members t"             \
    " WHERE t.rule_id = r.id AND t.member_id = m.system_id)))) "
/* Rule r holds system s. */
#define RULE_HOLDS_SYSTEM                                                                                              \
    " (r.rule_type = 'ManagedSystem' AND (r.kind = 'all' OR EXISTS (SELECT 1 FROM smart_rule_members t"                \
    " WHERE t.rule_id = r.id AND t.member_id = s.id))) "
