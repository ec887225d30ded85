// A package of reusable flows that brings its own copies of the packages.
export * as kafka from "@millrace/kafka";
export * as streams from "@millrace/streams";
export * as stage from "@millrace/streams/stage";
