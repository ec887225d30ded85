import type { KafkaErrorOptions, KafkaErrorReason } from "../errors/errors.js";

/** Numbers of librdkafka's errors and of Kafka's that a client decides by; code above the clients uses reasons. */
export const CODE = {
  transport: -195,
  allBrokersDown: -187,
  messageTimedOut: -192,
  partitionEof: -191,
  unknownPartition: -190,
  unknownTopic: -188,
  timedOut: -185,
  timedOutInQueue: -166,
  waitingForCoordinator: -180,
  queueFull: -184,
  notImplemented: -170,
  assignPartitions: -175,
  revokePartitions: -174,
  invalidArgument: -186,
  fatal: -150,
  fenced: -144,
  maxPollExceeded: -147,
  invalidProducerEpoch: 47,
  fencedInstance: 82,
  unreleasedInstance: 111,
  unknownMember: 25,
  metadataTooLarge: 12,
  coordinatorLoading: 14,
  coordinatorMissing: 15,
  notCoordinator: 16,
  illegalGeneration: 22,
  rebalanceInProgress: 27,
  unstableOffset: 88,
  staleMemberEpoch: 113,
  producerFenced: 90,
  messageTooLarge: 10,
  missingTopic: 3,
  invalidTopic: 17,
  topicForbidden: 29,
  clusterForbidden: 31,
  transactionForbidden: 53,
  unsupportedCodec: 76,
  purgedInQueue: -152,
  purgedInFlight: -151,
  topicExists: 36,
} as const;

const REASONS: ReadonlyMap<number, KafkaErrorReason> = new Map([
  [CODE.timedOut, "timedOut"],
  [CODE.timedOutInQueue, "timedOut"],
  [CODE.transport, "disconnected"],
  [CODE.allBrokersDown, "brokersDown"],
  [CODE.waitingForCoordinator, "coordinatorUnavailable"],
  [CODE.coordinatorLoading, "coordinatorUnavailable"],
  [CODE.coordinatorMissing, "coordinatorUnavailable"],
  [CODE.notCoordinator, "coordinatorUnavailable"],
  [CODE.illegalGeneration, "rebalanced"],
  [CODE.unknownMember, "rebalanced"],
  [CODE.rebalanceInProgress, "rebalancing"],
  [CODE.staleMemberEpoch, "rebalancing"],
  [CODE.fencedInstance, "memberFenced"],
  [CODE.unreleasedInstance, "memberUnreleased"],
  [CODE.fenced, "producerFenced"],
  [CODE.producerFenced, "producerFenced"],
  [CODE.metadataTooLarge, "metadataTooLarge"],
  [CODE.unstableOffset, "positionHeld"],
  [CODE.messageTooLarge, "tooLarge"],
  [CODE.unknownPartition, "notFound"],
  [CODE.unknownTopic, "notFound"],
  [CODE.missingTopic, "notFound"],
]);

/** A number, and the reason that it stands for. */
export const numbered = (clientCode: number | undefined): Pick<KafkaErrorOptions, "clientCode" | "reason"> =>
  clientCode === undefined ? {} : { clientCode, reason: REASONS.get(clientCode) };

/** Of a request that was given up before its answer. */
export const TIMED_OUT: KafkaErrorOptions = { ...numbered(CODE.timedOut), retriable: true };
