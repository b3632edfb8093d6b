/*
 * reference_pages - the pages that are more than a table: sample file, man pages, completion.
 */
#pragma once

#include "bascule/base/buf.h"

void page_sample_yaml(Buf *out);
void page_man_program(Buf *out);
void page_man_config(Buf *out);
void page_completion_bash(Buf *out);
void page_states(Buf *out);
void page_fsm_task(Buf *out);
void page_fsm_cutover(Buf *out);
void page_fsm_cutover_promela(Buf *out);
