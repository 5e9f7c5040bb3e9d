/* Module demo */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif

#define EXPORT_BOOLEAN
#include <mach/boolean.h>
#include <mach/kern_return.h>
#include <mach/message.h>
#include <mach/mig_errors.h>
#include <mach/mig_support.h>
#include <stdint.h>

#ifndef	mig_internal
#define	mig_internal	static
#endif

#ifndef	mig_external
#define mig_external
#endif

#ifndef	mig_unlikely
#define	mig_unlikely(X)	__builtin_expect (!! (X), 0)
#endif

#ifndef	TypeCheck
#define	TypeCheck 1
#endif

#ifndef	UseExternRCSId
#define	UseExternRCSId		1
#endif

#define BAD_TYPECHECK(type, check) mig_unlikely (({\
  union { mach_msg_type_t t; uint64_t w; } _t, _c;\
  _t.t = *(type); _c.t = *(check);_t.w != _c.w; }))
#define msgh_request_port	msgh_local_port
#define MACH_MSGH_BITS_REQUEST(bits)	MACH_MSGH_BITS_LOCAL(bits)
#define msgh_reply_port		msgh_remote_port
#define MACH_MSGH_BITS_REPLY(bits)	MACH_MSGH_BITS_REMOTE(bits)

#include <mach/std_types.h>
#include <mach/mach_types.h>
#include "demo_types.h"

/* Routine demo_add */
mig_internal void _Xdemo_add
	(mach_msg_header_t *InHeadP, mach_msg_header_t *OutHeadP)
{
	typedef struct {
		mach_msg_header_t Head;
		mach_msg_type_t leftType;
		int left;
		char leftPad[4];
		mach_msg_type_t rightType;
		int right;
		char rightPad[4];
	} Request;

	typedef struct {
		mach_msg_header_t Head;
		mach_msg_type_t RetCodeType;
		kern_return_t RetCode;
		char RetCodePad[4];
		mach_msg_type_t sumType;
		int sum;
		char sumPad[4];
	} Reply;

	Request *In0P = (Request *) InHeadP;
	Reply *OutP = (Reply *) OutHeadP;
	mig_external kern_return_t S_demo_add
		(mach_port_t server, int left, int right, int *sum);

	const mach_msg_type_t leftCheck = {
		.msgt_name =		(unsigned char) MACH_MSG_TYPE_INTEGER_32,
		.msgt_size =		32,
		.msgt_number =		1,
		.msgt_inline =		TRUE,
		.msgt_longform =		FALSE,
		.msgt_deallocate =		FALSE,
		.msgt_unused =		0
	};

	const mach_msg_type_t rightCheck = {
		.msgt_name =		(unsigned char) MACH_MSG_TYPE_INTEGER_32,
		.msgt_size =		32,
		.msgt_number =		1,
		.msgt_inline =		TRUE,
		.msgt_longform =		FALSE,
		.msgt_deallocate =		FALSE,
		.msgt_unused =		0
	};

	const mach_msg_type_t sumType = {
		.msgt_name =		(unsigned char) MACH_MSG_TYPE_INTEGER_32,
		.msgt_size =		32,
		.msgt_number =		1,
		.msgt_inline =		TRUE,
		.msgt_longform =		FALSE,
		.msgt_deallocate =		FALSE,
		.msgt_unused =		0
	};
	_Static_assert(sizeof(int) == 4 * 1, "expected int to be size 4 * 1");

#if	TypeCheck
	if (mig_unlikely ((In0P->Head.msgh_size != 64) ||
	    (In0P->Head.msgh_bits & MACH_MSGH_BITS_COMPLEX)))
		{ OutP->RetCode = MIG_BAD_ARGUMENTS; return; }
#endif	/* TypeCheck */

#if	TypeCheck
	if (BAD_TYPECHECK(&In0P->leftType, &leftCheck))
		{ OutP->RetCode = MIG_BAD_ARGUMENTS; return; }
#endif	/* TypeCheck */

#if	TypeCheck
	if (BAD_TYPECHECK(&In0P->rightType, &rightCheck))
		{ OutP->RetCode = MIG_BAD_ARGUMENTS; return; }
#endif	/* TypeCheck */

	OutP->RetCode = S_demo_add(In0P->Head.msgh_request_port, In0P->left, In0P->right, &OutP->sum);
	if (OutP->RetCode != KERN_SUCCESS)
		return;

	OutP->Head.msgh_size = 64;

	OutP->sumType = sumType;
}

/* Default implementation of S_demo_add */
#ifdef	MIG_EOPNOTSUPP
kern_return_t __attribute__ ((weak))
S_demo_add
(
	mach_port_t server,
	int left,
	int right,
	int *sum
) { return MIG_EOPNOTSUPP; }
#endif	/* MIG_EOPNOTSUPP */

/* Routine demo_reverse */
mig_internal void _Xdemo_reverse
	(mach_msg_header_t *InHeadP, mach_msg_header_t *OutHeadP)
{
	typedef struct {
		mach_msg_header_t Head;
		mach_msg_type_long_t dataType;
		vm_offset_t data;
	} Request;

	typedef struct {
		mach_msg_header_t Head;
		mach_msg_type_t RetCodeType;
		kern_return_t RetCode;
		char RetCodePad[4];
		mach_msg_type_long_t reversedType;
		vm_offset_t reversed;
	} Reply;

	Request *In0P = (Request *) InHeadP;
	Reply *OutP = (Reply *) OutHeadP;
	mig_external kern_return_t S_demo_reverse
		(mach_port_t server, vm_offset_t data, mach_msg_type_number_t dataCnt, vm_offset_t *reversed, mach_msg_type_number_t *reversedCnt);

	const mach_msg_type_long_t reversedType = {
		.msgtl_header = {
			.msgt_name =		(unsigned char) MACH_MSG_TYPE_BYTE,
			.msgt_size =		8,
			.msgt_number =		0,
			.msgt_inline =		FALSE,
			.msgt_longform =		TRUE,
			.msgt_deallocate =		FALSE,
			.msgt_unused =		0
		},
	};

	mach_msg_type_number_t reversedCnt;

#if	TypeCheck
	if (mig_unlikely ((In0P->Head.msgh_size != 48) ||
	    !(In0P->Head.msgh_bits & MACH_MSGH_BITS_COMPLEX)))
		{ OutP->RetCode = MIG_BAD_ARGUMENTS; return; }
#endif	/* TypeCheck */

#if	TypeCheck
	if (mig_unlikely ((In0P->dataType.msgtl_header.msgt_inline != FALSE) ||
	    (In0P->dataType.msgtl_header.msgt_longform != TRUE) ||
	    (In0P->dataType.msgtl_name != MACH_MSG_TYPE_BYTE) ||
	    (In0P->dataType.msgtl_size != 8)))
		{ OutP->RetCode = MIG_BAD_ARGUMENTS; return; }
#endif	/* TypeCheck */

	OutP->RetCode = S_demo_reverse(In0P->Head.msgh_request_port, In0P->data, In0P->dataType.msgtl_number, &OutP->reversed, &reversedCnt);
	if (OutP->RetCode != KERN_SUCCESS)
		return;

	OutP->Head.msgh_bits |= MACH_MSGH_BITS_COMPLEX;
	OutP->Head.msgh_size = 64;

	OutP->reversedType = reversedType;

	OutP->reversedType.msgtl_number = reversedCnt;
}

/* Default implementation of S_demo_reverse */
#ifdef	MIG_EOPNOTSUPP
kern_return_t __attribute__ ((weak))
S_demo_reverse
(
	mach_port_t server,
	vm_offset_t data,
	mach_msg_type_number_t dataCnt,
	vm_offset_t *reversed,
	mach_msg_type_number_t *reversedCnt
) { return MIG_EOPNOTSUPP; }
#endif	/* MIG_EOPNOTSUPP */

/* Routine demo_swap_rights */
mig_internal void _Xdemo_swap_rights
	(mach_msg_header_t *InHeadP, mach_msg_header_t *OutHeadP)
{
	typedef struct {
		mach_msg_header_t Head;
		mach_msg_type_t givenType;
		mach_port_name_inlined_t given;
	} Request;

	typedef struct {
		mach_msg_header_t Head;
		mach_msg_type_t RetCodeType;
		kern_return_t RetCode;
		char RetCodePad[4];
		mach_msg_type_t takenType;
		mach_port_name_inlined_t taken;
	} Reply;

	Request *In0P = (Request *) InHeadP;
	Reply *OutP = (Reply *) OutHeadP;
	mig_external kern_return_t S_demo_swap_rights
		(mach_port_t server, mach_port_t given, mach_port_t *taken);

	const mach_msg_type_t givenCheck = {
		.msgt_name =		(unsigned char) MACH_MSG_TYPE_PORT_SEND,
		.msgt_size =		64,
		.msgt_number =		1,
		.msgt_inline =		TRUE,
		.msgt_longform =		FALSE,
		.msgt_deallocate =		FALSE,
		.msgt_unused =		0
	};

	const mach_msg_type_t takenType = {
		.msgt_name =		(unsigned char) MACH_MSG_TYPE_MAKE_SEND,
		.msgt_size =		64,
		.msgt_number =		1,
		.msgt_inline =		TRUE,
		.msgt_longform =		FALSE,
		.msgt_deallocate =		FALSE,
		.msgt_unused =		0
	};
	_Static_assert(sizeof(mach_port_name_inlined_t) == 8 * 1, "expected mach_port_name_inlined_t to be size 8 * 1");

#if	TypeCheck
	if (mig_unlikely ((In0P->Head.msgh_size != 48) ||
	    !(In0P->Head.msgh_bits & MACH_MSGH_BITS_COMPLEX)))
		{ OutP->RetCode = MIG_BAD_ARGUMENTS; return; }
#endif	/* TypeCheck */

#if	TypeCheck
	if (BAD_TYPECHECK(&In0P->givenType, &givenCheck))
		{ OutP->RetCode = MIG_BAD_ARGUMENTS; return; }
#endif	/* TypeCheck */

	OutP->RetCode = S_demo_swap_rights(In0P->Head.msgh_request_port, In0P->given.name, &OutP->taken.name);
	if (OutP->RetCode != KERN_SUCCESS)
		return;

	OutP->Head.msgh_bits |= MACH_MSGH_BITS_COMPLEX;
	OutP->Head.msgh_size = 64;

	OutP->takenType = takenType;
}

/* Default implementation of S_demo_swap_rights */
#ifdef	MIG_EOPNOTSUPP
kern_return_t __attribute__ ((weak))
S_demo_swap_rights
(
	mach_port_t server,
	mach_port_t given,
	mach_port_t *taken
) { return MIG_EOPNOTSUPP; }
#endif	/* MIG_EOPNOTSUPP */

/* Routine demo_greet */
mig_internal void _Xdemo_greet
	(mach_msg_header_t *InHeadP, mach_msg_header_t *OutHeadP)
{
	typedef struct {
		mach_msg_header_t Head;
		mach_msg_type_t nameType;
		demo_name_t name;
	} Request;

	typedef struct {
		mach_msg_header_t Head;
		mach_msg_type_t RetCodeType;
		kern_return_t RetCode;
		char RetCodePad[4];
		mach_msg_type_t greetingType;
		union {
			char greeting[200];
			char *greetingP;
		};
	} Reply;

	Request *In0P = (Request *) InHeadP;
	Reply *OutP = (Reply *) OutHeadP;
	mig_external kern_return_t S_demo_greet
		(mach_port_t server, const_demo_name_t name, demo_text_t greeting);

	const mach_msg_type_t nameCheck = {
		.msgt_name =		(unsigned char) MACH_MSG_TYPE_STRING_C,
		.msgt_size =		8,
		.msgt_number =		32,
		.msgt_inline =		TRUE,
		.msgt_longform =		FALSE,
		.msgt_deallocate =		FALSE,
		.msgt_unused =		0
	};

	const mach_msg_type_t greetingType = {
		.msgt_name =		(unsigned char) MACH_MSG_TYPE_STRING_C,
		.msgt_size =		8,
		.msgt_number =		200,
		.msgt_inline =		TRUE,
		.msgt_longform =		FALSE,
		.msgt_deallocate =		FALSE,
		.msgt_unused =		0
	};

#if	TypeCheck
	if (mig_unlikely ((In0P->Head.msgh_size != 72) ||
	    (In0P->Head.msgh_bits & MACH_MSGH_BITS_COMPLEX)))
		{ OutP->RetCode = MIG_BAD_ARGUMENTS; return; }
#endif	/* TypeCheck */

#if	TypeCheck
	if (BAD_TYPECHECK(&In0P->nameType, &nameCheck))
		{ OutP->RetCode = MIG_BAD_ARGUMENTS; return; }
#endif	/* TypeCheck */

	/* Ensure name is null-terminated */
	In0P->name[31] = '\0';
	OutP->RetCode = S_demo_greet(In0P->Head.msgh_request_port, In0P->name, OutP->greeting);
	if (OutP->RetCode != KERN_SUCCESS)
		return;

	OutP->greetingType = greetingType;
	OutP->greetingType.msgt_number = strlen(OutP->greeting) + 1;
	OutP->Head.msgh_size = 56 + ((OutP->greetingType.msgt_number + 7) & ~7U);
}

/* Default implementation of S_demo_greet */
#ifdef	MIG_EOPNOTSUPP
kern_return_t __attribute__ ((weak))
S_demo_greet
(
	mach_port_t server,
	const_demo_name_t name,
	demo_text_t greeting
) { return MIG_EOPNOTSUPP; }
#endif	/* MIG_EOPNOTSUPP */

/* Routine demo_statistics */
mig_internal void _Xdemo_statistics
	(mach_msg_header_t *InHeadP, mach_msg_header_t *OutHeadP)
{
	typedef struct {
		mach_msg_header_t Head;
		mach_msg_type_t wordsType;
		union {
			int words[16];
			int *wordsP;
		};
		mach_msg_type_t flagType;
		boolean_t flag;
		char flagPad[4];
	} Request;

	typedef struct {
		mach_msg_header_t Head;
		mach_msg_type_t RetCodeType;
		kern_return_t RetCode;
		char RetCodePad[4];
		mach_msg_type_t rangeType;
		demo_pair_t range;
		mach_msg_type_t totalType;
		int64_t total;
		mach_msg_type_t flagType;
		boolean_t flag;
		char flagPad[4];
	} Reply;

	Request *In0P = (Request *) InHeadP;
	Request *In1P;
	Reply *OutP = (Reply *) OutHeadP;
	mig_external kern_return_t S_demo_statistics
		(mach_port_t server, const demo_words_t words, mach_msg_type_number_t wordsCnt, demo_pair_t *range, int64_t *total, boolean_t *flag);

	unsigned int msgh_size;
	unsigned int msgh_size_delta;

	const mach_msg_type_t flagCheck = {
		.msgt_name =		(unsigned char) MACH_MSG_TYPE_BOOLEAN,
		.msgt_size =		32,
		.msgt_number =		1,
		.msgt_inline =		TRUE,
		.msgt_longform =		FALSE,
		.msgt_deallocate =		FALSE,
		.msgt_unused =		0
	};

	const mach_msg_type_t rangeType = {
		.msgt_name =		(unsigned char) MACH_MSG_TYPE_INTEGER_32,
		.msgt_size =		32,
		.msgt_number =		2,
		.msgt_inline =		TRUE,
		.msgt_longform =		FALSE,
		.msgt_deallocate =		FALSE,
		.msgt_unused =		0
	};
	_Static_assert(sizeof(demo_pair_t) == 4 * 2, "expected demo_pair_t to be size 4 * 2");

	const mach_msg_type_t totalType = {
		.msgt_name =		(unsigned char) MACH_MSG_TYPE_INTEGER_64,
		.msgt_size =		64,
		.msgt_number =		1,
		.msgt_inline =		TRUE,
		.msgt_longform =		FALSE,
		.msgt_deallocate =		FALSE,
		.msgt_unused =		0
	};
	_Static_assert(sizeof(int64_t) == 8 * 1, "expected int64_t to be size 8 * 1");

	const mach_msg_type_t flagType = {
		.msgt_name =		(unsigned char) MACH_MSG_TYPE_BOOLEAN,
		.msgt_size =		32,
		.msgt_number =		1,
		.msgt_inline =		TRUE,
		.msgt_longform =		FALSE,
		.msgt_deallocate =		FALSE,
		.msgt_unused =		0
	};
	_Static_assert(sizeof(boolean_t) == 4 * 1, "expected boolean_t to be size 4 * 1");

#if	TypeCheck
	msgh_size = In0P->Head.msgh_size;
	if (mig_unlikely ((msgh_size < 56) ||
	    (In0P->Head.msgh_bits & MACH_MSGH_BITS_COMPLEX)))
		{ OutP->RetCode = MIG_BAD_ARGUMENTS; return; }
#endif	/* TypeCheck */

#if	TypeCheck
	if (mig_unlikely ((In0P->wordsType.msgt_inline != TRUE) ||
	    (In0P->wordsType.msgt_longform != FALSE) ||
	    (In0P->wordsType.msgt_name != MACH_MSG_TYPE_INTEGER_32) ||
	    (In0P->wordsType.msgt_size != 32)))
		{ OutP->RetCode = MIG_BAD_ARGUMENTS; return; }
#endif	/* TypeCheck */

	msgh_size_delta = (4 * In0P->wordsType.msgt_number + 7) & ~7U;
#if	TypeCheck
	if (mig_unlikely (msgh_size != 56 + msgh_size_delta))
		{ OutP->RetCode = MIG_BAD_ARGUMENTS; return; }
#endif	/* TypeCheck */

	In1P = (Request *) ((char *) In0P + msgh_size_delta - 64);

#if	TypeCheck
	if (BAD_TYPECHECK(&In1P->flagType, &flagCheck))
		{ OutP->RetCode = MIG_BAD_ARGUMENTS; return; }
#endif	/* TypeCheck */

	OutP->RetCode = S_demo_statistics(In0P->Head.msgh_request_port, In0P->words, In0P->wordsType.msgt_number, &OutP->range, &OutP->total, &In1P->flag);
	if (OutP->RetCode != KERN_SUCCESS)
		return;

	OutP->Head.msgh_size = 96;

	OutP->rangeType = rangeType;

	OutP->totalType = totalType;

	OutP->flagType = flagType;

	OutP->flag = In1P->flag;
}

/* Default implementation of S_demo_statistics */
#ifdef	MIG_EOPNOTSUPP
kern_return_t __attribute__ ((weak))
S_demo_statistics
(
	mach_port_t server,
	const demo_words_t words,
	mach_msg_type_number_t wordsCnt,
	demo_pair_t *range,
	int64_t *total,
	boolean_t *flag
) { return MIG_EOPNOTSUPP; }
#endif	/* MIG_EOPNOTSUPP */

/* Routine demo_count_rights */
mig_internal void _Xdemo_count_rights
	(mach_msg_header_t *InHeadP, mach_msg_header_t *OutHeadP)
{
	typedef struct {
		mach_msg_header_t Head;
		mach_msg_type_long_t rightsType;
		mach_port_array_t rights;
	} Request;

	typedef struct {
		mach_msg_header_t Head;
		mach_msg_type_t RetCodeType;
		kern_return_t RetCode;
		char RetCodePad[4];
		mach_msg_type_t countType;
		int count;
		char countPad[4];
	} Reply;

	Request *In0P = (Request *) InHeadP;
	Reply *OutP = (Reply *) OutHeadP;
	mig_external kern_return_t S_demo_count_rights
		(mach_port_t server, mach_port_array_t rights, mach_msg_type_number_t rightsCnt, int *count);

	const mach_msg_type_t countType = {
		.msgt_name =		(unsigned char) MACH_MSG_TYPE_INTEGER_32,
		.msgt_size =		32,
		.msgt_number =		1,
		.msgt_inline =		TRUE,
		.msgt_longform =		FALSE,
		.msgt_deallocate =		FALSE,
		.msgt_unused =		0
	};
	_Static_assert(sizeof(int) == 4 * 1, "expected int to be size 4 * 1");

#if	TypeCheck
	if (mig_unlikely ((In0P->Head.msgh_size != 48) ||
	    !(In0P->Head.msgh_bits & MACH_MSGH_BITS_COMPLEX)))
		{ OutP->RetCode = MIG_BAD_ARGUMENTS; return; }
#endif	/* TypeCheck */

#if	TypeCheck
	if (mig_unlikely ((In0P->rightsType.msgtl_header.msgt_inline != FALSE) ||
	    (In0P->rightsType.msgtl_header.msgt_longform != TRUE) ||
	    (In0P->rightsType.msgtl_name != MACH_MSG_TYPE_PORT_SEND) ||
	    (In0P->rightsType.msgtl_size != 64 && In0P->rightsType.msgtl_header.msgt_inline == TRUE) || 
	    (In0P->rightsType.msgtl_size != 32 && In0P->rightsType.msgtl_header.msgt_inline == FALSE)))
		{ OutP->RetCode = MIG_BAD_ARGUMENTS; return; }
#endif	/* TypeCheck */

	OutP->RetCode = S_demo_count_rights(In0P->Head.msgh_request_port, In0P->rights, In0P->rightsType.msgtl_number, &OutP->count);
	if (OutP->RetCode != KERN_SUCCESS)
		return;

	OutP->Head.msgh_size = 64;

	OutP->countType = countType;
}

/* Default implementation of S_demo_count_rights */
#ifdef	MIG_EOPNOTSUPP
kern_return_t __attribute__ ((weak))
S_demo_count_rights
(
	mach_port_t server,
	mach_port_array_t rights,
	mach_msg_type_number_t rightsCnt,
	int *count
) { return MIG_EOPNOTSUPP; }
#endif	/* MIG_EOPNOTSUPP */

/* SimpleRoutine demo_note */
mig_internal void _Xdemo_note
	(mach_msg_header_t *InHeadP, mach_msg_header_t *OutHeadP)
{
	typedef struct {
		mach_msg_header_t Head;
		mach_msg_type_t numberType;
		int number;
		char numberPad[4];
	} Request;

	typedef struct {
		mach_msg_header_t Head;
		mach_msg_type_t RetCodeType;
		kern_return_t RetCode;
		char RetCodePad[4];
	} Reply;

	Request *In0P = (Request *) InHeadP;
	Reply *OutP = (Reply *) OutHeadP;
	mig_external kern_return_t S_demo_note
		(mach_port_t server, int number);

	const mach_msg_type_t numberCheck = {
		.msgt_name =		(unsigned char) MACH_MSG_TYPE_INTEGER_32,
		.msgt_size =		32,
		.msgt_number =		1,
		.msgt_inline =		TRUE,
		.msgt_longform =		FALSE,
		.msgt_deallocate =		FALSE,
		.msgt_unused =		0
	};

#if	TypeCheck
	if (mig_unlikely ((In0P->Head.msgh_size != 48) ||
	    (In0P->Head.msgh_bits & MACH_MSGH_BITS_COMPLEX)))
		{ OutP->RetCode = MIG_BAD_ARGUMENTS; return; }
#endif	/* TypeCheck */

#if	TypeCheck
	if (BAD_TYPECHECK(&In0P->numberType, &numberCheck))
		{ OutP->RetCode = MIG_BAD_ARGUMENTS; return; }
#endif	/* TypeCheck */

	OutP->RetCode = S_demo_note(In0P->Head.msgh_request_port, In0P->number);
}

/* Default implementation of S_demo_note */
#ifdef	MIG_EOPNOTSUPP
kern_return_t __attribute__ ((weak))
S_demo_note
(
	mach_port_t server,
	int number
) { return MIG_EOPNOTSUPP; }
#endif	/* MIG_EOPNOTSUPP */

/* Routine demo_noted */
mig_internal void _Xdemo_noted
	(mach_msg_header_t *InHeadP, mach_msg_header_t *OutHeadP)
{
	typedef struct {
		mach_msg_header_t Head;
	} Request;

	typedef struct {
		mach_msg_header_t Head;
		mach_msg_type_t RetCodeType;
		kern_return_t RetCode;
		char RetCodePad[4];
		mach_msg_type_t numberType;
		int number;
		char numberPad[4];
	} Reply;

	Request *In0P = (Request *) InHeadP;
	Reply *OutP = (Reply *) OutHeadP;
	mig_external kern_return_t S_demo_noted
		(mach_port_t server, int *number);

	const mach_msg_type_t numberType = {
		.msgt_name =		(unsigned char) MACH_MSG_TYPE_INTEGER_32,
		.msgt_size =		32,
		.msgt_number =		1,
		.msgt_inline =		TRUE,
		.msgt_longform =		FALSE,
		.msgt_deallocate =		FALSE,
		.msgt_unused =		0
	};
	_Static_assert(sizeof(int) == 4 * 1, "expected int to be size 4 * 1");

#if	TypeCheck
	if (mig_unlikely ((In0P->Head.msgh_size != 32) ||
	    (In0P->Head.msgh_bits & MACH_MSGH_BITS_COMPLEX)))
		{ OutP->RetCode = MIG_BAD_ARGUMENTS; return; }
#endif	/* TypeCheck */

	OutP->RetCode = S_demo_noted(In0P->Head.msgh_request_port, &OutP->number);
	if (OutP->RetCode != KERN_SUCCESS)
		return;

	OutP->Head.msgh_size = 64;

	OutP->numberType = numberType;
}

/* Default implementation of S_demo_noted */
#ifdef	MIG_EOPNOTSUPP
kern_return_t __attribute__ ((weak))
S_demo_noted
(
	mach_port_t server,
	int *number
) { return MIG_EOPNOTSUPP; }
#endif	/* MIG_EOPNOTSUPP */

mig_routine_t demo_server_routines[] = {
		_Xdemo_add,
		_Xdemo_reverse,
		_Xdemo_swap_rights,
		_Xdemo_greet,
		_Xdemo_statistics,
		_Xdemo_count_rights,
		_Xdemo_note,
		_Xdemo_noted,
};

mig_external boolean_t demo_server
	(mach_msg_header_t *InHeadP, mach_msg_header_t *OutHeadP)
{
	mach_msg_header_t *InP =  InHeadP;
	mig_reply_header_t *OutP = (mig_reply_header_t *) OutHeadP;

	const mach_msg_type_t RetCodeType = {
		.msgt_name =		(unsigned char) MACH_MSG_TYPE_INTEGER_32,
		.msgt_size =		32,
		.msgt_number =		1,
		.msgt_inline =		TRUE,
		.msgt_longform =		FALSE,
		.msgt_deallocate =		FALSE,
		.msgt_unused =		0
	};
	_Static_assert(sizeof(kern_return_t) == 4 * 1, "expected kern_return_t to be size 4 * 1");

	mig_routine_t routine;

	OutP->Head.msgh_bits = MACH_MSGH_BITS(MACH_MSGH_BITS_REPLY(InP->msgh_bits), 0);
	OutP->Head.msgh_size = sizeof *OutP;
	OutP->Head.msgh_remote_port = InP->msgh_reply_port;
	OutP->Head.msgh_local_port = MACH_PORT_NULL;
	OutP->Head.msgh_seqno = 0;
	OutP->Head.msgh_id = InP->msgh_id + 100;

	OutP->RetCodeType = RetCodeType;

	if ((InP->msgh_id > 77007) || (InP->msgh_id < 77000) ||
	    ((routine = demo_server_routines[InP->msgh_id - 77000]) == 0)) {
		OutP->RetCode = MIG_BAD_ID;
		return FALSE;
	}
	(*routine) (InP, &OutP->Head);
	return TRUE;
}

