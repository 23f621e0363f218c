/* api/controlroom/filter.c: the filter of a list, from its JSON to db/filter.h (controlroom-api 8.1 to 8.3). */
#include "api/controlroom/filter.h"

#include "base/text.h"
#include "gate/gate.h"

enum { NAME_SHOWN_MAX = 50 };

struct parser {
    struct call *call;
    const struct column *columns;
    size_t leaves;
};

static struct json reader_of(const struct parser *p, struct str text)
{
    struct json j;
    json_init(&j, text, p->call->face->json_flags, p->call->arena);
    return j;
}

/* The value that json_peek stands on, as it is written. */
static result take_value(struct json *j, struct str *ret, struct err *e)
{
    const char *from = j->p;
    TRY(json_skip(j, e));
    *ret = (struct str){from, (size_t)(j->p - from)};
    return SUCCESS;
}

result column_find(struct call *c, const struct column *columns, const char *what, struct str name,
                   const struct column **ret, struct err *e)
{
    for (const struct column *column = columns; column->name; column++)
        if (str_equal_fold(name, str_of(column->name))) {
            *ret = column;
            return SUCCESS;
        }
    return FAIL(e, INVALID, "%s: unknown field '%.*s'", what, STR_ARG(text_printable(c->arena, name, NAME_SHOWN_MAX)));
}

/* ---- leaves ---- */

static bool has_text_form(enum json_type type)
{
    return type == JSON_STRING || type == JSON_NUMBER;
}

/* The value's type and its text: of a string what it says, of anything else how it is written. */
static result read_value(const struct parser *p, struct str raw, enum json_type *ret_type, struct str *ret,
                         struct err *e)
{
    struct json j = reader_of(p, str_is_set(raw) ? raw : S("null"));
    TRY(json_peek(&j, ret_type, e));
    return *ret_type == JSON_STRING ? json_string(&j, ret, e) : take_value(&j, ret, e);
}

static bool is_search(enum filter_op op)
{
    return op == FILTER_SUBSTRING || op == FILTER_STARTS;
}

static result wrong_value(const struct filter *leaf, const char *wanted, struct err *e)
{
    return FAIL(e, INVALID, "value of %s: must be %s", leaf->column->name, wanted);
}

static bool is_digits(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
    return s.n > 0;
}

static result read_id(const struct parser *p, enum json_type type, struct str text, struct filter *leaf, struct err *e)
{
    struct json j = reader_of(p, text);
    bool is_right = false;
    leaf->text = str_trim(text);
    if (is_search(leaf->op))
        is_right = has_text_form(type) && is_digits(leaf->text);
    else if (type == JSON_STRING)
        is_right = str_to_int(leaf->text, INT64_MIN, INT64_MAX, &leaf->number);
    else if (type == JSON_NUMBER)
        is_right = is_ok(json_int(&j, &leaf->number, NULL));
    return is_right ? SUCCESS : wrong_value(leaf, "a whole number", e);
}

static result read_time(enum json_type type, struct str text, struct filter *leaf, struct err *e)
{
    if (is_search(leaf->op))
        return FAIL(e, INVALID, "operator: %s is a time and has no part to search for", leaf->column->name);
    if (type != JSON_STRING || !time_parse(str_trim(text), &leaf->number))
        return wrong_value(leaf, "a time such as 2024-05-01T00:00:00.001Z", e);
    return SUCCESS;
}

static result read_flag(enum json_type type, struct str text, struct filter *leaf, struct err *e)
{
    if (leaf->op != FILTER_EQ && leaf->op != FILTER_NE)
        return FAIL(e, INVALID, "operator: %s is true or false: eq and ne only", leaf->column->name);
    bool has_word = type == JSON_TRUE || type == JSON_FALSE || type == JSON_STRING;
    if (!has_word || (!str_equal_fold(text, S("true")) && !str_equal_fold(text, S("false"))))
        return wrong_value(leaf, "true or false", e);
    leaf->number = str_equal_fold(text, S("true"));
    return SUCCESS;
}

static result read_leaf_value(const struct parser *p, struct str raw, struct filter *leaf, struct err *e)
{
    enum json_type type;
    struct str text;
    TRY(read_value(p, raw, &type, &text, e));
    bool is_empty = type == JSON_NULL || (type == JSON_STRING && str_trim(text).n == 0);
    if (is_empty && (leaf->op == FILTER_EQ || leaf->op == FILTER_NE))
        return SUCCESS; /* is there none? */
    if (is_empty)
        return FAIL(e, INVALID, "value of %s: is required", leaf->column->name);
    leaf->has_value = true;
    switch (leaf->column->kind) {
    case COLUMN_ID:
        return read_id(p, type, text, leaf, e);
    case COLUMN_TIME:
        return read_time(type, text, leaf, e);
    case COLUMN_FLAG:
        return read_flag(type, text, leaf, e);
    case COLUMN_TEXT:
        break;
    }
    if (!has_text_form(type))
        return wrong_value(leaf, "a string", e);
    leaf->text = text_key(p->call->arena, text);
    return SUCCESS;
}

/* ---- the tree ---- */

struct node {
    struct str operator, field, value, operands; /* the last two as JSON text */
};
static const struct field node_fields[] = {
    TEXT("operator", struct node, operator),
    TEXT("field", struct node, field),
    RAW("value", struct node, value),
    RAW("operands", struct node, operands),
    FIELD_END,
};

static const struct {
    const char *word;
    enum filter_op op;
} operators[] = {
    {"none", FILTER_ALL},
    {"and", FILTER_AND},
    {"or", FILTER_OR},
    {"not", FILTER_NOT},
    {"eq", FILTER_EQ},
    {"ne", FILTER_NE},
    {"lt", FILTER_LT},
    {"le", FILTER_LE},
    {"gt", FILTER_GT},
    {"ge", FILTER_GE},
    {"substring", FILTER_SUBSTRING},
    {"startswith", FILTER_STARTS},
};

static result find_operator(const struct parser *p, struct str word, enum filter_op *ret, struct err *e)
{
    for (size_t i = 0; i < sizeof operators / sizeof operators[0]; i++)
        if (str_equal_fold(word, str_of(operators[i].word))) {
            *ret = operators[i].op;
            return SUCCESS;
        }
    return FAIL(e, INVALID, "operator: unknown operator '%.*s'",
                STR_ARG(text_printable(p->call->arena, word, NAME_SHOWN_MAX)));
}

/* Everything that ends a branch counts: the cap bounds the statement that comes of it. */
static result count_leaf(struct parser *p, struct err *e)
{
    if (++p->leaves > FILTER_LEAVES_MAX)
        return FAIL(e, INVALID, "filter: more than %d conditions", FILTER_LEAVES_MAX);
    return SUCCESS;
}

static result read_filter(struct parser *p, struct str raw, unsigned depth, struct filter *ret, struct err *e);

static result read_leaf(struct parser *p, const struct node *node, enum filter_op op, struct filter *ret, struct err *e)
{
    struct filter leaf = {.op = op};
    TRY(count_leaf(p, e));
    if (op != FILTER_ALL) {
        if (node->field.n == 0)
            return FAIL(e, INVALID, "field: is required");
        TRY(column_find(p->call, p->columns, "field", node->field, &leaf.column, e));
        TRY(read_leaf_value(p, node->value, &leaf, e));
    }
    *ret = leaf;
    return SUCCESS;
}

/* What stands in `operands`, without nulls. */
struct operands {
    size_t n;
    struct str *at;    /* objects, as JSON text */
    struct str string; /* a lone string is the operator of a leaf (8.1) */
};

static result read_operand(struct json *j, struct operands *found, struct err *e)
{
    struct str one;
    enum json_type type;
    TRY(json_peek(j, &type, e));
    if (type == JSON_STRING)
        TRY(json_string(j, &found->string, e));
    else
        TRY(take_value(j, &one, e));
    if (type == JSON_NULL)
        return SUCCESS;
    if (type != JSON_OBJECT && type != JSON_STRING)
        return FAIL(e, INVALID, "operands: each must be a filter");
    if (found->n == FILTER_LEAVES_MAX)
        return FAIL(e, INVALID, "filter: more than %d conditions", FILTER_LEAVES_MAX);
    found->at[found->n++] = type == JSON_OBJECT ? one : STR_ABSENT;
    return SUCCESS;
}

static result read_operands(const struct parser *p, struct str raw, struct operands *ret, struct err *e)
{
    struct operands found = {.at = arena_array(p->call->arena, struct str, FILTER_LEAVES_MAX)};
    struct json j = reader_of(p, str_is_set(raw) ? raw : S("[]"));
    enum json_type type;
    bool more;
    TRY(json_peek(&j, &type, e));
    if (type != JSON_ARRAY)
        return FAIL(e, INVALID, "operands: must be an array");
    TRY(json_enter(&j, '[', e));
    TRY(json_next_item(&j, &more, e));
    while (more) {
        TRY(read_operand(&j, &found, e));
        TRY(json_next_item(&j, &more, e));
    }
    if (str_is_set(found.string) && found.n > 1)
        return FAIL(e, INVALID, "operands: each must be a filter");
    *ret = found;
    return SUCCESS;
}

static result read_branch(struct parser *p, const struct node *node, enum filter_op op, unsigned depth,
                          struct filter *ret, struct err *e)
{
    struct operands operands;
    TRY(read_operands(p, node->operands, &operands, e));
    if (str_is_set(operands.string)) {
        TRY(find_operator(p, operands.string, &op, e));
        if (op == FILTER_AND || op == FILTER_OR || op == FILTER_NOT)
            return FAIL(e, INVALID, "operands: each must be a filter");
        return read_leaf(p, node, op, ret, e);
    }
    if (op == FILTER_NOT && operands.n != 1)
        return FAIL(e, INVALID, "operands: not takes exactly one");
    if (operands.n == 0)
        return read_leaf(p, node, FILTER_ALL, ret, e);
    struct filter *filters = arena_array(p->call->arena, struct filter, operands.n);
    for (size_t i = 0; i < operands.n; i++)
        TRY(read_filter(p, operands.at[i], depth + 1, &filters[i], e));
    *ret = (struct filter){.op = op, .operands = filters, .n = operands.n};
    return SUCCESS;
}

static result read_filter(struct parser *p, struct str raw, unsigned depth, struct filter *ret, struct err *e)
{
    struct node node = {0};
    struct json j = reader_of(p, raw);
    enum json_type type;
    enum filter_op op = FILTER_ALL;
    if (depth > FILTER_DEPTH_MAX)
        return FAIL(e, INVALID, "filter: nested deeper than %d", FILTER_DEPTH_MAX);
    TRY(json_peek(&j, &type, e));
    if (type != JSON_OBJECT)
        return FAIL(e, INVALID, "filter: must be an object");
    TRY(fields_decode(node_fields, &j, &node, e));
    if (node.operator.n> 0)
        TRY(find_operator(p, node.operator, & op, e));
    else if (node.field.n > 0 || str_is_set(node.operands))
        return FAIL(e, INVALID, "operator: is required");
    if (op == FILTER_AND || op == FILTER_OR || op == FILTER_NOT)
        return read_branch(p, &node, op, depth, ret, e);
    return read_leaf(p, &node, op, ret, e);
}

result filter_read(struct call *c, const struct column *columns, struct str raw, struct filter *ret, struct err *e)
{
    struct parser p = {.call = c, .columns = columns};
    if (str_is_set(raw))
        return read_filter(&p, raw, 1, ret, e);
    *ret = (struct filter){.op = FILTER_ALL};
    return SUCCESS;
}
