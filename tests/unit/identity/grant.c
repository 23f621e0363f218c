/* identity/grant.c: I10. Every way to hand somebody a right, tried by somebody who lacks that one right. */
#include "fixture.h"

#define HASH S("$argon2id$of-somebody-else")

/* Everything but one right, and no built-in group. */
static struct caller all_but(int64_t user_id, enum right missing)
{
    struct caller who = {.user_id = user_id, .carries_controlroom = true, .carries_passwordsafe = true};
    for (size_t i = 0; i < right_fact_count; i++)
        rights_raise(&who.rights, right_facts[i].right, LEVEL_WRITE);
    if (missing != RIGHT_NONE)
        who.rights.level[missing] = LEVEL_NONE;
    return who;
}

struct scene { /* a role that holds what is asked about, somebody in it, somebody not */
    enum face face;
    int64_t role, holder, other;
    int64_t plain; /* a role that holds nothing of it */
    struct role_right right;
};

static struct list rights_list(const struct role_right *right)
{
    return (struct list){.at = (void *)right, .n = 1, .is_set = true};
}

static struct scene make_scene(struct fixture *f, enum face face, struct role_right right)
{
    struct scene s = {.face = face, .right = right};
    struct role_right harmless = {face == FACE_CONTROLROOM ? MANAGE_CREDENTIALS : MANAGEMENT_CONSOLE, LEVEL_READ};
    bool is_controlroom = face == FACE_CONTROLROOM;
    s.role = make_role(f, face, "holders", &right, 1);
    s.plain = make_role(f, face, "plain", &harmless, 1);
    s.holder = make_user(f, "holder", is_controlroom ? IDS(s.role) : IDS(), is_controlroom ? IDS() : IDS(s.role));
    s.other = make_user(f, "other", IDS(), IDS());
    return s;
}

static struct user_change in_roles(enum face face, struct list numbers)
{
    return face == FACE_CONTROLROOM ? (struct user_change){.role_numbers = numbers}
                                    : (struct user_change){.group_numbers = numbers};
}

/* Nothing of it may stand: each is its own transaction, which init's hand undoes when it was let through. */
static void try_users(struct fixture *f, const struct scene *s, const struct caller *who, enum code expected)
{
    int64_t id;
    struct user_change with = in_roles(s->face, IDS(s->role));
    with.name = S("newcomer");
    with.password_hash = HASH;
    EXPECT(expected, user_create(f->db, f->a, who, &with, NOW, &id, &f->e));
    if (expected == OK)
        MUST(user_delete(f->db, f->a, NULL, id, NOW, &f->e));

    with = in_roles(s->face, IDS(s->role));
    EXPECT(expected, user_update(f->db, f->a, who, s->other, &with, NOW, &f->e));
    with = in_roles(s->face, IDS());
    MUST(user_update(f->db, f->a, NULL, s->other, &with, NOW, &f->e));

    with = (struct user_change){.name = S("renamed")};
    EXPECT(expected, user_update(f->db, f->a, who, s->holder, &with, NOW, &f->e));
    with = (struct user_change){.name = S("holder")};
    MUST(user_update(f->db, f->a, NULL, s->holder, &with, NOW, &f->e));

    with = (struct user_change){.password_hash = HASH};
    EXPECT(expected, user_update(f->db, f->a, who, s->holder, &with, NOW, &f->e));

    with = (struct user_change){.is_disabled = {true, true}, .is_quarantined = {true, true}};
    MUST(user_update(f->db, f->a, NULL, s->holder, &with, NOW, &f->e));
    with = (struct user_change){.is_disabled = {true, false}};
    EXPECT(expected, user_update(f->db, f->a, who, s->holder, &with, NOW, &f->e));
    with = (struct user_change){.is_quarantined = {true, false}};
    EXPECT(expected, user_update(f->db, f->a, who, s->holder, &with, NOW, &f->e));
    with = (struct user_change){.is_disabled = {true, false}, .is_quarantined = {true, false}};
    MUST(user_update(f->db, f->a, NULL, s->holder, &with, NOW, &f->e));

    /* Taking the right away from its holder, and the password with it. */
    with = in_roles(s->face, IDS());
    with.password_hash = HASH;
    EXPECT(expected, user_update(f->db, f->a, who, s->holder, &with, NOW, &f->e));
    with = in_roles(s->face, IDS(s->role));
    MUST(user_update(f->db, f->a, NULL, s->holder, &with, NOW, &f->e));

    /* What hands nothing over is free. */
    with = (struct user_change){.first_name = S("Ada"), .email = S("a@example.com")};
    EXPECT(OK, user_update(f->db, f->a, who, s->holder, &with, NOW, &f->e));
    with = in_roles(s->face, IDS(s->role));
    EXPECT(OK, user_update(f->db, f->a, who, s->holder, &with, NOW, &f->e));
    with = (struct user_change){.name = S("other"), .password_hash = HASH};
    EXPECT(OK, user_update(f->db, f->a, who, s->other, &with, NOW, &f->e));
}

static void try_roles(struct fixture *f, const struct scene *s, const struct caller *who, enum code expected)
{
    int64_t number;
    struct role_change with = {.name = S("another"), .rights = rights_list(&s->right)};
    EXPECT(expected, role_create(f->db, f->a, who, s->face, &with, NOW, &number, &f->e));
    if (expected == OK)
        MUST(role_delete(f->db, f->a, NULL, s->face, number, NOW, &f->e));

    with = (struct role_change){.rights = rights_list(&s->right)};
    EXPECT(expected, role_update(f->db, f->a, who, s->face, s->plain, &with, NOW, &f->e));
    struct role_right none = {s->right.right, LEVEL_NONE};
    with = (struct role_change){.rights = rights_list(&none)};
    MUST(role_update(f->db, f->a, NULL, s->face, s->plain, &with, NOW, &f->e));

    with = (struct role_change){.name = S("holders anew")};
    EXPECT(expected, role_update(f->db, f->a, who, s->face, s->role, &with, NOW, &f->e));
    with = (struct role_change){.members = IDS(s->holder, s->other)};
    EXPECT(expected, role_update(f->db, f->a, who, s->face, s->role, &with, NOW, &f->e));
    with = (struct role_change){.members = IDS(s->holder)};
    MUST(role_update(f->db, f->a, NULL, s->face, s->role, &with, NOW, &f->e));
    with = (struct role_change){.rights = rights_list(&none)};
    EXPECT(expected, role_update(f->db, f->a, who, s->face, s->role, &with, NOW, &f->e));
    with = (struct role_change){.rights = rights_list(&s->right)};
    MUST(role_update(f->db, f->a, NULL, s->face, s->role, &with, NOW, &f->e));

    EXPECT(expected, role_add_member(f->db, f->a, who, s->face, s->role, s->other, NOW, &f->e));
    if (expected == OK)
        EXPECT(OK, role_remove_member(f->db, f->a, who, s->face, s->role, s->other, NOW, &f->e));
    EXPECT(expected, role_remove_member(f->db, f->a, who, s->face, s->role, s->holder, NOW, &f->e));
    if (expected == OK)
        MUST(role_add_member(f->db, f->a, NULL, s->face, s->role, s->holder, NOW, &f->e));
    /* Into a harmless role: it is the holder who holds too much. */
    EXPECT(expected, role_add_member(f->db, f->a, who, s->face, s->plain, s->holder, NOW, &f->e));
    if (expected == OK)
        MUST(role_remove_member(f->db, f->a, NULL, s->face, s->plain, s->holder, NOW, &f->e));
    with = (struct role_change){.members = IDS(s->holder)};
    EXPECT(expected, role_update(f->db, f->a, who, s->face, s->plain, &with, NOW, &f->e));
    MUST(role_update(f->db, f->a, NULL, s->face, s->plain, &with, NOW, &f->e));
    with = (struct role_change){.members = IDS()};
    EXPECT(expected, role_update(f->db, f->a, who, s->face, s->plain, &with, NOW, &f->e));
    MUST(role_update(f->db, f->a, NULL, s->face, s->plain, &with, NOW, &f->e));
}

static void try_all(struct fixture *f, const struct right_fact *fact)
{
    struct scene s = make_scene(f, fact->face, (struct role_right){fact->right, LEVEL_WRITE});
    struct caller lacks = all_but(f->admin, fact->right), has = all_but(f->admin, RIGHT_NONE);
    try_users(f, &s, &lacks, DENIED);
    try_roles(f, &s, &lacks, DENIED);
    try_users(f, &s, &has, OK);
    try_roles(f, &s, &has, OK);
    if (fact->face == FACE_PASSWORDSAFE) {
        struct caller reads = has;
        reads.rights.level[fact->right] = LEVEL_READ;
        try_users(f, &s, &reads, DENIED);
        try_roles(f, &s, &reads, DENIED);
    }
    EXPECT(DENIED, user_delete(f->db, f->a, &lacks, s.holder, NOW, &f->e));
    EXPECT(DENIED, role_delete(f->db, f->a, &lacks, s.face, s.role, NOW, &f->e));
    MUST(user_delete(f->db, f->a, &has, s.holder, NOW, &f->e));
    MUST(role_delete(f->db, f->a, &has, s.face, s.role, NOW, &f->e));
    MUST(user_delete(f->db, f->a, &has, s.other, NOW, &f->e));
    MUST(role_delete(f->db, f->a, &has, s.face, s.plain, NOW, &f->e));
}

static void nobody_gives_a_right_that_he_lacks(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < right_fact_count; i++)
        if (right_facts[i].right != MANAGE_CREDENTIALS && right_facts[i].right != LOCKER_CONSUME)
            try_all(f, &right_facts[i]);
    assert_int_equal(audit_count(f, "right.granted"), 0);
}

static void all_rights_together_do_not_make_an_admin(void **state)
{
    struct fixture *f = *state;
    struct caller who = all_but(make_user(f, "almost", IDS(), IDS()), RIGHT_NONE);
    int64_t other = make_user(f, "other", IDS(), IDS()), id;
    struct user_change password = {.password_hash = HASH}, admin = {.role_numbers = IDS(1)},
                       administrator = {.group_numbers = IDS(1)};
    EXPECT(DENIED, user_update(f->db, f->a, &who, f->admin, &password, NOW, &f->e));
    EXPECT(DENIED, user_update(f->db, f->a, &who, other, &admin, NOW, &f->e));
    EXPECT(DENIED, user_update(f->db, f->a, &who, other, &administrator, NOW, &f->e));
    EXPECT(DENIED, user_update(f->db, f->a, &who, who.user_id, &admin, NOW, &f->e));
    EXPECT(DENIED, role_add_member(f->db, f->a, &who, FACE_CONTROLROOM, 1, who.user_id, NOW, &f->e));
    EXPECT(DENIED, role_add_member(f->db, f->a, &who, FACE_PASSWORDSAFE, 1, who.user_id, NOW, &f->e));
    EXPECT(DENIED, role_remove_member(f->db, f->a, &who, FACE_CONTROLROOM, 1, f->admin, NOW, &f->e));
    struct role_change members = {.members = IDS(f->admin, who.user_id)};
    EXPECT(DENIED, role_update(f->db, f->a, &who, FACE_PASSWORDSAFE, 1, &members, NOW, &f->e));
    struct user_change no_roles = {.role_numbers = IDS(), .group_numbers = IDS()};
    EXPECT(DENIED, user_update(f->db, f->a, &who, f->admin, &no_roles, NOW, &f->e));
    struct user_change create = {.name = S("new"), .password_hash = HASH, .role_numbers = IDS(1)};
    EXPECT(DENIED, user_create(f->db, f->a, &who, &create, NOW, &id, &f->e));
    struct caller admin_caller = caller_of(f, f->admin);
    MUST(user_create(f->db, f->a, &admin_caller, &create, NOW, &id, &f->e));
}

/* On a session that carries one face, the other face's rights are not his to give. */
static void a_session_gives_only_what_it_carries(void **state)
{
    struct fixture *f = *state;
    struct caller who = {.user_id = f->admin, .carries_passwordsafe = true};
    int64_t other = make_user(f, "other", IDS(2), IDS());
    struct user_change password = {.password_hash = HASH};
    MUST(rights_of_user(f->db, f->a, f->admin, false, true, &who.rights, &f->e));
    EXPECT(DENIED, user_update(f->db, f->a, &who, f->admin, &password, NOW, &f->e));
    EXPECT(DENIED, user_update(f->db, f->a, &who, other, &password, NOW, &f->e));
    struct user_change none = {.role_numbers = IDS()};
    MUST(user_update(f->db, f->a, NULL, other, &none, NOW, &f->e));
    MUST(user_update(f->db, f->a, &who, other, &password, NOW, &f->e));
}

static void an_inactive_group_counts_as_what_it_will_be(void **state)
{
    struct fixture *f = *state;
    struct scene s = make_scene(f, FACE_PASSWORDSAFE, (struct role_right){POLICY_MANAGEMENT, LEVEL_WRITE});
    struct role_change off = {.is_active = {true, false}}, on = {.is_active = {true, true}};
    struct caller who = all_but(s.other, POLICY_MANAGEMENT);
    MUST(role_update(f->db, f->a, NULL, FACE_PASSWORDSAFE, s.role, &off, NOW, &f->e));
    EXPECT(DENIED, role_add_member(f->db, f->a, &who, FACE_PASSWORDSAFE, s.role, s.other, NOW, &f->e));
    EXPECT(DENIED, role_update(f->db, f->a, &who, FACE_PASSWORDSAFE, s.role, &on, NOW, &f->e));
}

static void reserved_rights_go_to_others_only(void **state)
{
    struct fixture *f = *state;
    struct caller who = caller_of(f, f->admin);
    struct role_right reserved[] = {{UPDATE_ANY, LEVEL_WRITE}, {READ_MASKED, LEVEL_WRITE}};
    int64_t other = make_user(f, "other", IDS(), IDS()), number;
    struct role_change with = {.name = S("unmaskers"), .rights = {.at = reserved, .n = 2, .is_set = true}};
    MUST(role_create(f->db, f->a, &who, FACE_CONTROLROOM, &with, NOW, &number, &f->e));
    assert_int_equal(audit_count(f, "right.granted"), 1);
    EXPECT(DENIED, role_add_member(f->db, f->a, &who, FACE_CONTROLROOM, number, f->admin, NOW, &f->e));
    MUST(role_add_member(f->db, f->a, &who, FACE_CONTROLROOM, number, other, NOW, &f->e));
    assert_int_equal(audit_count(f, "right.granted"), 2);
    struct user_change self = {.role_numbers = IDS(1, 3, number)};
    EXPECT(DENIED, user_update(f->db, f->a, &who, f->admin, &self, NOW, &f->e));

    /* Created with himself in it; given to a role that he is in; given and joined in one change. */
    with.name = S("for myself");
    with.members = IDS(f->admin);
    EXPECT(DENIED, role_create(f->db, f->a, &who, FACE_CONTROLROOM, &with, NOW, &number, &f->e));
    int64_t mine = make_role(f, FACE_CONTROLROOM, "mine", NULL, 0);
    struct role_change both = {.rights = with.rights, .members = IDS(f->admin)};
    EXPECT(DENIED, role_update(f->db, f->a, &who, FACE_CONTROLROOM, mine, &both, NOW, &f->e));
    MUST(role_add_member(f->db, f->a, &who, FACE_CONTROLROOM, mine, f->admin, NOW, &f->e));
    both.members.is_set = false;
    EXPECT(DENIED, role_update(f->db, f->a, &who, FACE_CONTROLROOM, mine, &both, NOW, &f->e));
    assert_int_equal(audit_count(f, "right.granted"), 2);
}

static void break_glass_comes_from_administrators(void **state)
{
    struct fixture *f = *state;
    int64_t top = make_user(f, "top", IDS(1), IDS()), other = make_user(f, "other", IDS(), IDS()), number;
    struct caller aae_admin = caller_of(f, top), administrator = caller_of(f, f->admin);
    struct role_right glass = {BREAK_GLASS, LEVEL_WRITE}, any = {UPDATE_ANY, LEVEL_WRITE};
    struct role_change with = {.name = S("glass"), .rights = rights_list(&glass), .members = IDS(other)};
    EXPECT(DENIED, role_create(f->db, f->a, &aae_admin, FACE_PASSWORDSAFE, &with, NOW, &number, &f->e));
    MUST(role_create(f->db, f->a, &administrator, FACE_PASSWORDSAFE, &with, NOW, &number, &f->e));
    EXPECT(DENIED, role_add_member(f->db, f->a, &administrator, FACE_PASSWORDSAFE, number, f->admin, NOW, &f->e));
    assert_int_equal(caller_of(f, other).rights.level[BREAK_GLASS], LEVEL_WRITE);

    struct caller only_group = caller_of(f, make_user(f, "group", IDS(), IDS(1)));
    with = (struct role_change){.name = S("any"), .rights = rights_list(&any)};
    only_group.rights.level[VIEW_BASIC_INFO] = LEVEL_WRITE;
    EXPECT(DENIED, role_create(f->db, f->a, &only_group, FACE_CONTROLROOM, &with, NOW, &number, &f->e));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_make, fixture_remove)
    const struct CMUnitTest tests[] = {
        TEST(nobody_gives_a_right_that_he_lacks),   TEST(all_rights_together_do_not_make_an_admin),
        TEST(a_session_gives_only_what_it_carries), TEST(an_inactive_group_counts_as_what_it_will_be),
        TEST(reserved_rights_go_to_others_only),    TEST(break_glass_comes_from_administrators),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
