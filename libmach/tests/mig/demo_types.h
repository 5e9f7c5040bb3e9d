/* C's side of the types of demo.defs. */
#ifndef DEMO_TYPES_H
#define DEMO_TYPES_H

typedef char demo_name_t[32];
typedef const char *const_demo_name_t;
typedef char demo_text_t[200];
typedef const char *const_demo_text_t;
typedef int *demo_words_t;
typedef const int *const_demo_words_t;
typedef struct {
    int low;
    int high;
} demo_pair_t;

#endif
