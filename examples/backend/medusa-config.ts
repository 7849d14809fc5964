import { defineConfig, loadEnv } from "@medusajs/framework/utils"

loadEnv(process.env.NODE_ENV || "development", process.cwd())

const env = process.env as Record<string, string>
// `medusa build` loads this file too, but uses neither secrets nor databases.
const building = process.argv[2] === "build"

// The MINIO_* names are those of the community's MinIO provider.
const s3 = {
  endpoint: env.S3_ENDPOINT || env.MINIO_ENDPOINT,
  bucket: env.S3_BUCKET || env.MINIO_BUCKET,
  accessKey: env.S3_ACCESS_KEY_ID || env.MINIO_ACCESS_KEY,
  secretKey: env.S3_SECRET_ACCESS_KEY || env.MINIO_SECRET_KEY,
}
const mailFrom = env.RESEND_FROM_EMAIL || env.RESEND_FROM

const required: Record<string, string> = {
  DATABASE_URL: env.DATABASE_URL,
  JWT_SECRET: env.JWT_SECRET,
  COOKIE_SECRET: env.COOKIE_SECRET,
  STORE_CORS: env.STORE_CORS,
  ADMIN_CORS: env.ADMIN_CORS,
  AUTH_CORS: env.AUTH_CORS,
  // Without Redis, Medusa keeps events, workflows, locks and sessions in the memory of one process.
  ...(env.NODE_ENV === "production" && { REDIS_URL: env.REDIS_URL }),
  ...(s3.bucket && { S3_ENDPOINT: s3.endpoint, S3_ACCESS_KEY_ID: s3.accessKey, S3_SECRET_ACCESS_KEY: s3.secretKey }),
  ...(env.RESEND_API_KEY && { RESEND_FROM_EMAIL: mailFrom }),
}
const missing = Object.keys(required).filter((name) => !required[name])
if (missing.length && !building) {
  throw new Error(`${missing.join(", ")} not set: set them in the environment or in .env (see .env.template).`)
}

const s3FileModule = {
  resolve: "@medusajs/medusa/file",
  options: {
    providers: [
      {
        resolve: "@medusajs/medusa/file-s3",
        id: "s3",
        options: {
          endpoint: s3.endpoint,
          bucket: s3.bucket,
          access_key_id: s3.accessKey,
          secret_access_key: s3.secretKey,
          region: env.S3_REGION || "us-east-1",
          file_url: env.S3_FILE_URL || `${s3.endpoint}/${s3.bucket}`,
          prefix: env.S3_PREFIX,
          additional_client_config: {
            forcePathStyle: env.S3_FORCE_PATH_STYLE === "true",
            // The SDK's checksums of 2025 are unknown to many S3 servers that are not Amazon's.
            requestChecksumCalculation: "WHEN_REQUIRED",
            responseChecksumValidation: "WHEN_REQUIRED",
          },
        },
      },
    ],
  },
}

const redisModules = [
  {
    resolve: "@medusajs/medusa/caching",
    options: {
      providers: [
        {
          resolve: "@medusajs/medusa/caching-redis",
          id: "caching-redis",
          is_default: true,
          options: { redisUrl: env.REDIS_URL },
        },
      ],
    },
  },
  {
    resolve: "@medusajs/medusa/event-bus-redis",
    options: { redisUrl: env.REDIS_URL },
  },
  {
    resolve: "@medusajs/medusa/workflow-engine-redis",
    options: { redis: { redisUrl: env.REDIS_URL } },
  },
  {
    resolve: "@medusajs/medusa/locking",
    options: {
      providers: [
        {
          resolve: "@medusajs/medusa/locking-redis",
          id: "locking-redis",
          is_default: true,
          options: { redisUrl: env.REDIS_URL },
        },
      ],
    },
  },
]

const notificationModule = {
  resolve: "@medusajs/medusa/notification",
  options: {
    providers: [
      { resolve: "@medusajs/medusa/notification-local", id: "local", options: { channels: ["feed"] } },
      {
        resolve: "./src/modules/resend",
        id: "resend",
        options: { channels: ["email"], api_key: env.RESEND_API_KEY, from: mailFrom },
      },
    ],
  },
}

// MEDUSA_BACKEND_URL, MEDUSA_WORKER_MODE, HOST and PORT are read from the environment by Medusa itself.
module.exports = defineConfig({
  projectConfig: {
    databaseUrl: env.DATABASE_URL,
    databaseDriverOptions: env.DATABASE_POOL_MAX ? { pool: { max: Number(env.DATABASE_POOL_MAX) } } : undefined,
    redisUrl: env.REDIS_URL,
    http: {
      jwtSecret: env.JWT_SECRET,
      cookieSecret: env.COOKIE_SECRET,
      storeCors: env.STORE_CORS,
      adminCors: env.ADMIN_CORS,
      authCors: env.AUTH_CORS,
    },
  },
  admin: {
    disable: env.DISABLE_MEDUSA_ADMIN === "true",
  },
  modules: [
    ...(env.REDIS_URL ? redisModules : []),
    ...(s3.bucket ? [s3FileModule] : []),
    ...(env.RESEND_API_KEY ? [notificationModule] : []),
  ],
})
