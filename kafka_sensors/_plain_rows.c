/* Messages that are written plainly, as rows in the binary form of Postgres's COPY.

   A message is plain where it is byte by byte what the plan foresees: the keys in their order, no
   space between them, whole numbers without an exponent, decimals of few digits, texts of printable
   ASCII without an escape, lists of texts with none in them, each within its limits. Nothing else is taken here: what is not plain is
   left to the decoder of the contract, which alone says what a message means. So this file need not
   know JSON, only a part of it in which there is one reading.

   The form of a row: Postgres's documentation of COPY, "Binary Format". */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <string.h>

enum kind { INT16, INT32, INT64, INSTANT, FLOAT64, BOOLEAN, TEXT, NO_TEXTS, KINDS };

#define MOST_FIELDS 64
#define MOST_DIGITS 18         /* of a whole number: it fits 64 bits */
#define MOST_EXACT_DIGITS 15   /* of a decimal: it and the power of ten are exact in a double */
#define POSTGRES_EPOCH_S 946684800LL
#define PLAN "kafka_sensors plan"

/* What a row begins with: the count of its columns, then log hour, slice, partition and offset. */
#define LANDING_COLUMNS 4
#define SLICE_ID_AT (2 + 4 + 8 + 4)
#define PREFIX_BYTES (2 + (4 + 8) + (4 + 8) + (4 + 4) + (4 + 8))
#define MOST_FIXED_BYTES (4 + 12) /* of a column, beside a text's bytes: those of no texts */
#define TEXT_OID 25

struct field {
    const unsigned char *before; /* what stands before the value: comma, key, colon */
    Py_ssize_t before_length;
    enum kind kind;
    int is_nullable;
    int column;
    int64_t least, most;           /* of a whole number, or of a text's length */
    double least_real, most_real;
};

struct plan {
    PyObject *bytes; /* keeps what the fields point to */
    const unsigned char *end;
    Py_ssize_t end_length;
    int count, event;
    struct field fields[MOST_FIELDS];
};

struct value {
    int is_null;
    int64_t whole;
    double real;
    const unsigned char *text;
    Py_ssize_t length;
};

static const double POWERS_OF_TEN[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                       1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};

/* ---- reading: each returns where it ended, or NULL for what is not plain ---- */

static const unsigned char *
read_exactly(const unsigned char *at, const unsigned char *end, const unsigned char *text,
             Py_ssize_t length)
{
    if (end - at < length || memcmp(at, text, (size_t)length) != 0)
        return NULL;
    return at + length;
}

/* Digits without a leading zero; at most `most` of them. */
static const unsigned char *
read_digits(const unsigned char *at, const unsigned char *end, int most, int64_t *found)
{
    const unsigned char *first = at;
    int64_t sum = 0;
    while (at < end && *at >= '0' && *at <= '9') {
        if (at - first == most)
            return NULL;
        sum = sum * 10 + (*at++ - '0');
    }
    if (at == first || (*first == '0' && at - first > 1))
        return NULL;
    *found = sum;
    return at;
}

static const unsigned char *
read_whole(const unsigned char *at, const unsigned char *end, int64_t *found)
{
    int is_negative = at < end && *at == '-';
    at = read_digits(at + is_negative, end, MOST_DIGITS, found);
    if (at == NULL || !is_negative)
        return at;
    if (*found == 0)
        return NULL;
    *found = -*found;
    return at;
}

/* Both the digits and the power of ten are exact, so the quotient is the nearest double. */
static const unsigned char *
read_real(const unsigned char *at, const unsigned char *end, double *found)
{
    int is_negative = at < end && *at == '-';
    int64_t digits;
    const unsigned char *first = at + is_negative;
    int decimals = 0;
    at = read_digits(first, end, MOST_EXACT_DIGITS, &digits);
    if (at == NULL)
        return NULL;
    if (at < end && *at == '.') {
        const unsigned char *point = at++;
        while (at < end && *at >= '0' && *at <= '9') {
            if (at - first > MOST_EXACT_DIGITS)
                return NULL;
            digits = digits * 10 + (*at++ - '0');
        }
        decimals = (int)(at - point - 1);
        if (decimals == 0)
            return NULL;
    }
    if (is_negative && digits == 0)
        return NULL;
    *found = (double)digits / POWERS_OF_TEN[decimals];
    if (is_negative)
        *found = -*found;
    return at;
}

static const unsigned char *
read_text(const unsigned char *at, const unsigned char *end, struct value *found)
{
    if (at >= end || *at != '"')
        return NULL;
    found->text = ++at;
    while (at < end && *at >= 0x20 && *at < 0x7f && *at != '"' && *at != '\\')
        at++;
    if (at >= end || *at != '"')
        return NULL;
    found->length = at - found->text;
    return at + 1;
}

static const unsigned char *
read_value(const struct field *field, const unsigned char *at, const unsigned char *end,
           struct value *found)
{
    found->is_null = 0;
    if (field->is_nullable && at < end && *at == 'n') {
        found->is_null = 1;
        return read_exactly(at, end, (const unsigned char *)"null", 4);
    }
    switch (field->kind) {
    case INT16:
    case INT32:
    case INT64:
    case INSTANT:
        at = read_whole(at, end, &found->whole);
        return at != NULL && found->whole >= field->least && found->whole <= field->most ? at
                                                                                         : NULL;
    case FLOAT64:
        at = read_real(at, end, &found->real);
        return at != NULL && found->real >= field->least_real && found->real <= field->most_real
                   ? at
                   : NULL;
    case BOOLEAN:
        found->whole = at < end && *at == 't';
        return found->whole ? read_exactly(at, end, (const unsigned char *)"true", 4)
                            : read_exactly(at, end, (const unsigned char *)"false", 5);
    case TEXT:
        at = read_text(at, end, found);
        return at != NULL && found->length >= field->least && found->length <= field->most ? at
                                                                                           : NULL;
    case NO_TEXTS:
        return read_exactly(at, end, (const unsigned char *)"[]", 2);
    default:
        return NULL;
    }
}

/* Returns whether the message is plain; its values then are in `found`, by column. */
static int
read_message(const struct plan *plan, const unsigned char *at, Py_ssize_t length,
             struct value *found)
{
    const unsigned char *end = at + length;
    for (int number = 0; number < plan->count; number++) {
        const struct field *field = &plan->fields[number];
        at = read_exactly(at, end, field->before, field->before_length);
        if (at == NULL)
            return 0;
        at = read_value(field, at, end, &found[field->column]);
        if (at == NULL)
            return 0;
    }
    at = read_exactly(at, end, plan->end, plan->end_length);
    return at == end;
}

/* ---- writing ---- */

static unsigned char *
put(unsigned char *to, uint64_t bits, int bytes)
{
    for (int byte = bytes - 1; byte >= 0; byte--)
        *to++ = (unsigned char)(bits >> (8 * byte));
    return to;
}

static unsigned char *
put_column(unsigned char *to, uint64_t bits, int bytes)
{
    return put(put(to, (uint64_t)bytes, 4), bits, bytes);
}

static unsigned char *
put_value(unsigned char *to, enum kind kind, const struct value *value)
{
    uint64_t bits;
    if (value->is_null)
        return put(to, UINT32_MAX, 4);
    switch (kind) {
    case INT16:
        return put_column(to, (uint64_t)value->whole, 2);
    case INT32:
        return put_column(to, (uint64_t)value->whole, 4);
    case INSTANT:
        return put_column(to, (uint64_t)((value->whole - POSTGRES_EPOCH_S) * 1000000), 8);
    case FLOAT64:
        memcpy(&bits, &value->real, sizeof bits);
        return put_column(to, bits, 8);
    case BOOLEAN:
        return put_column(to, (uint64_t)value->whole, 1);
    case TEXT:
        to = put(to, (uint64_t)value->length, 4);
        memcpy(to, value->text, (size_t)value->length);
        return to + value->length;
    case NO_TEXTS: /* an array without a dimension, without a null, of texts */
        return put(put(put(put(to, 12, 4), 0, 4), 0, 4), TEXT_OID, 4);
    default:
        return put_column(to, (uint64_t)value->whole, 8);
    }
}

/* ---- what Python calls ---- */

static void
plan_free(PyObject *capsule)
{
    struct plan *plan = PyCapsule_GetPointer(capsule, PLAN);
    if (plan != NULL) {
        Py_XDECREF(plan->bytes);
        PyMem_Free(plan);
    }
}

static int
field_from(struct plan *plan, PyObject *tuple, struct field *field)
{
    int kind;
    const char *before;
    if (!PyTuple_Check(tuple)) {
        PyErr_SetString(PyExc_TypeError, "a field is a tuple");
        return 0;
    }
    if (!PyArg_ParseTuple(tuple, "y#ipiLLdd", &before, &field->before_length, &kind,
                          &field->is_nullable, &field->column, &field->least, &field->most,
                          &field->least_real, &field->most_real))
        return 0;
    field->before = (const unsigned char *)before;
    field->kind = (enum kind)kind;
    if (kind < 0 || kind >= KINDS || field->column < 0 || field->column >= plan->count) {
        PyErr_SetString(PyExc_ValueError, "a field has no such kind, or no such column");
        return 0;
    }
    return 1;
}

PyDoc_STRVAR(make_plan_doc,
             "make_plan(fields, end, event)\n--\n\n"
             "Return what plain messages look like, for `form`.\n\n"
             "Of each field, in the order of the message: the bytes before its value, its kind, whether\n"
             "it may be null, its column, and the least and the most, as integers and as floats. Then the\n"
             "bytes behind the last value, and the number of the field with the time of the event.");

static PyObject *
make_plan(PyObject *module, PyObject *arguments)
{
    PyObject *fields, *end, *kept, *capsule;
    int event;
    if (!PyArg_ParseTuple(arguments, "O!Si", &PyTuple_Type, &fields, &end, &event))
        return NULL;
    Py_ssize_t count = PyTuple_GET_SIZE(fields);
    if (count < 1 || count > MOST_FIELDS || event < 0 || event >= count) {
        PyErr_Format(PyExc_ValueError, "a plan has 1 to %d fields, one of them the event's",
                     MOST_FIELDS);
        return NULL;
    }
    struct plan *plan = PyMem_Calloc(1, sizeof *plan);
    if (plan == NULL)
        return PyErr_NoMemory();
    kept = PyTuple_Pack(2, fields, end);
    capsule = kept == NULL ? NULL : PyCapsule_New(plan, PLAN, plan_free);
    if (capsule == NULL) {
        Py_XDECREF(kept);
        PyMem_Free(plan);
        return NULL;
    }
    plan->bytes = kept;
    plan->end = (const unsigned char *)PyBytes_AS_STRING(end);
    plan->end_length = PyBytes_GET_SIZE(end);
    plan->count = (int)count;
    plan->event = event;
    uint64_t columns = 0;
    for (Py_ssize_t number = 0; number < count; number++) {
        struct field *field = &plan->fields[number];
        if (!field_from(plan, PyTuple_GET_ITEM(fields, number), field)) {
            Py_DECREF(capsule);
            return NULL;
        }
        columns |= (uint64_t)1 << field->column;
    }
    const struct field *at = &plan->fields[event];
    int is_complete = columns == (count == 64 ? UINT64_MAX : ((uint64_t)1 << count) - 1);
    if (!is_complete || at->kind != INSTANT || at->is_nullable) {
        PyErr_SetString(PyExc_ValueError,
                        "each field has a column of its own, and that of the event is an instant");
        Py_DECREF(capsule);
        return NULL;
    }
    return capsule;
}

/* The messages of a call, and what becomes of them. */
struct work {
    Py_ssize_t count, formed, others;
    const unsigned char **values; /* NULL for what is no bytes */
    Py_ssize_t *lengths;
    int64_t *offsets, *starts, *events;
    Py_ssize_t *other;
};

static int
work_allocate(struct work *work, Py_ssize_t count)
{
    memset(work, 0, sizeof *work);
    work->count = count;
    size_t places = (size_t)(count > 0 ? count : 1);
    work->values = PyMem_Calloc(places, sizeof *work->values);
    work->lengths = PyMem_Calloc(places, sizeof *work->lengths);
    work->offsets = PyMem_Calloc(places, sizeof *work->offsets);
    work->starts = PyMem_Calloc(places, sizeof *work->starts);
    work->events = PyMem_Calloc(places, sizeof *work->events);
    work->other = PyMem_Calloc(places, sizeof *work->other);
    return work->values && work->lengths && work->offsets && work->starts && work->events &&
           work->other;
}

static void
work_free(struct work *work)
{
    PyMem_Free(work->values);
    PyMem_Free(work->lengths);
    PyMem_Free(work->offsets);
    PyMem_Free(work->starts);
    PyMem_Free(work->events);
    PyMem_Free(work->other);
}

/* Without the interpreter's lock: touches nothing of Python. Returns where the rows end. */
static unsigned char *
form_all(const struct plan *plan, struct work *work, int64_t log_hour, int64_t partition,
         unsigned char *rows)
{
    struct value found[MOST_FIELDS];
    enum kind kinds[MOST_FIELDS];
    unsigned char *to = rows;
    for (int number = 0; number < plan->count; number++)
        kinds[plan->fields[number].column] = plan->fields[number].kind;
    for (Py_ssize_t at = 0; at < work->count; at++) {
        if (work->values[at] == NULL ||
            !read_message(plan, work->values[at], work->lengths[at], found)) {
            work->other[work->others++] = at;
            continue;
        }
        work->starts[work->formed] = to - rows;
        work->events[work->formed++] = found[plan->fields[plan->event].column].whole;
        to = put(to, (uint64_t)(LANDING_COLUMNS + plan->count), 2);
        to = put_column(to, (uint64_t)log_hour, 8);
        to = put_column(to, 0, 8); /* the slice, which is not known yet */
        to = put_column(to, (uint64_t)partition, 4);
        to = put_column(to, (uint64_t)work->offsets[at], 8);
        for (int column = 0; column < plan->count; column++)
            to = put_value(to, kinds[column], &found[column]);
    }
    return to;
}

static PyObject *
list_of(const Py_ssize_t *numbers, Py_ssize_t count)
{
    PyObject *list = PyList_New(count);
    for (Py_ssize_t at = 0; list != NULL && at < count; at++) {
        PyObject *number = PyLong_FromSsize_t(numbers[at]);
        if (number == NULL)
            Py_CLEAR(list);
        else
            PyList_SET_ITEM(list, at, number);
    }
    return list;
}

PyDoc_STRVAR(form_doc,
             "form(plan, values, offsets, log_hour, partition)\n--\n\n"
             "Return the rows of the plain messages among some, all but their slice's id.\n\n"
             "`values` and `offsets` are tuples in step, `log_hour` microseconds since 2000. Returns the\n"
             "rows, where each begins and its event's Unix seconds as 64-bit integers, and the indexes\n"
             "of the messages that are not plain.");

static PyObject *
form(PyObject *module, PyObject *arguments)
{
    PyObject *capsule, *values, *offsets, *rows = NULL, *others = NULL, *result = NULL;
    long long log_hour, partition;
    struct work work;
    if (!PyArg_ParseTuple(arguments, "OO!O!LL", &capsule, &PyTuple_Type, &values, &PyTuple_Type,
                          &offsets, &log_hour, &partition))
        return NULL;
    const struct plan *plan = PyCapsule_GetPointer(capsule, PLAN);
    if (plan == NULL)
        return NULL;
    Py_ssize_t count = PyTuple_GET_SIZE(values);
    if (PyTuple_GET_SIZE(offsets) != count) {
        PyErr_SetString(PyExc_ValueError, "as many values as offsets, please");
        return NULL;
    }
    Py_ssize_t bound = count * (PREFIX_BYTES + plan->count * MOST_FIXED_BYTES);
    if (!work_allocate(&work, count)) {
        PyErr_NoMemory();
        goto done;
    }
    for (Py_ssize_t at = 0; at < count; at++) {
        PyObject *value = PyTuple_GET_ITEM(values, at);
        if (PyBytes_Check(value)) {
            work.values[at] = (const unsigned char *)PyBytes_AS_STRING(value);
            work.lengths[at] = PyBytes_GET_SIZE(value);
            bound += work.lengths[at];
        }
        work.offsets[at] = PyLong_AsLongLong(PyTuple_GET_ITEM(offsets, at));
        if (work.offsets[at] == -1 && PyErr_Occurred())
            goto done;
    }
    rows = PyByteArray_FromStringAndSize(NULL, bound);
    if (rows == NULL)
        goto done;
    unsigned char *begin = (unsigned char *)PyByteArray_AS_STRING(rows), *end;
    Py_BEGIN_ALLOW_THREADS
    end = form_all(plan, &work, log_hour, partition, begin);
    Py_END_ALLOW_THREADS
    if (PyByteArray_Resize(rows, end - begin) < 0)
        goto done;
    others = list_of(work.other, work.others);
    if (others != NULL)
        result = Py_BuildValue("Oy#y#O", rows, (const char *)work.starts,
                               work.formed * (Py_ssize_t)sizeof *work.starts,
                               (const char *)work.events,
                               work.formed * (Py_ssize_t)sizeof *work.events, others);
done:
    work_free(&work);
    Py_XDECREF(rows);
    Py_XDECREF(others);
    return result;
}

PyDoc_STRVAR(set_slice_doc, "set_slice(rows, starts, slice_id)\n--\n\n"
                            "Put the slice's id into rows of `form`.");

static PyObject *
set_slice(PyObject *module, PyObject *arguments)
{
    PyObject *rows;
    const char *starts;
    Py_ssize_t length;
    long long slice_id;
    if (!PyArg_ParseTuple(arguments, "O!y#L", &PyByteArray_Type, &rows, &starts, &length,
                          &slice_id))
        return NULL;
    Py_ssize_t size = PyByteArray_GET_SIZE(rows);
    unsigned char *begin = (unsigned char *)PyByteArray_AS_STRING(rows);
    for (Py_ssize_t at = 0; at + (Py_ssize_t)sizeof(int64_t) <= length; at += sizeof(int64_t)) {
        int64_t start;
        memcpy(&start, starts + at, sizeof start);
        if (start < 0 || start + PREFIX_BYTES > size) {
            PyErr_SetString(PyExc_ValueError, "a row would begin outside of the rows");
            return NULL;
        }
        put(begin + start + SLICE_ID_AT, (uint64_t)slice_id, 8);
    }
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"make_plan", make_plan, METH_VARARGS, make_plan_doc},
    {"form", form, METH_VARARGS, form_doc},
    {"set_slice", set_slice, METH_VARARGS, set_slice_doc},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    "kafka_sensors._plain_rows",
    "Messages that are written plainly, as rows in the binary form of COPY.",
    0,
    methods,
    NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC
PyInit__plain_rows(void)
{
    return PyModuleDef_Init(&definition);
}
